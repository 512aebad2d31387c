import ArgumentParser
import Planning

/// What ArgumentParser says of arguments that it cannot use, in the style of all messages: `convoy: error: …`, then the
/// usage. Of a command that there is not it names the nearest.
///
/// - Parameters:
///   - message: its own, or what it was asked for (help, the version), which stays as it is.
///   - arguments: without the program's name.
func usageMessage(_ message: String, arguments: [String]) -> String {
  let prefix = "Error: "
  guard message.hasPrefix(prefix) else { return message }
  var text = String(message.dropFirst(prefix.count))
  if let problem = unknownCommand(arguments) {
    text = problem + text.drop { $0 != "\n" }
  }
  // A sentence's first word, but no name of a variable.
  if text.dropFirst().first?.isLowercase == true {
    text = text.prefix(1).lowercased() + text.dropFirst()
  }
  return "convoy: error: " + text
}

/// What is wrong where the first words name no command, or no benchmark.
private func unknownCommand(_ arguments: [String]) -> String? {
  var command: any ParsableCommand.Type = ConvoyCommand.self
  for word in arguments {
    let commands = command.configuration.subcommands
    guard !commands.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
    if let next = commands.first(where: { $0._commandName == word }) {
      command = next
      continue
    }
    let names = commands.map { $0._commandName }
    return "there is no command '\(word)'; "
      + (nearest(to: word, among: names).map { "did you mean '\($0)'?" }
        ?? "expected \(names.dropLast().joined(separator: ", ")) or \(names[names.count - 1])")
  }
  return nil
}

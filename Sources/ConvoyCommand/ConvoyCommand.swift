import ArgumentParser
import Convoy
import Foundation

@main
enum Main {
  static func main() {
    prepareStreams()
    // An expression may begin as an option does ('->', a scalar as it is). White space in an
    // expression means nothing, so one more space tells them apart.
    let arguments = CommandLine.arguments.dropFirst().map { $0.hasPrefix("->") ? " " + $0 : $0 }
    do {
      var command = try ConvoyCommand.parseAsRoot(arguments)
      try command.run()
    } catch {
      end(error)
    }
  }

  /// Whoever reads the output may end before it does, and whoever starts it may give it none: a write is to
  /// fail then, and be told, not to end the process without a word or to land in another file, which
  /// would have got the stream's number.
  private static func prepareStreams() {
    signal(SIGPIPE, SIG_IGN)
    for descriptor in STDIN_FILENO...STDERR_FILENO
    where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
      // The lowest number that is free, which is this one; not open for what it would be used for.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }

  /// Whether this process says what is wrong with the arguments, or their help, which are the same on all that were
  /// started; the environment may be another on each.
  private static var isTold: Bool {
    Launch.current.isFirst
      || (try? Context(environment: ProcessInfo.processInfo.environment)) == nil
  }

  /// As `ParsableCommand.exit(withError:)`, whose messages quote arguments as they are.
  private static func end(_ error: any Error) -> Never {
    let code = ConvoyCommand.exitCode(for: error)
    let message = usageMessage(
      ConvoyCommand.fullMessage(for: error), arguments: Array(CommandLine.arguments.dropFirst()))
    if !message.isEmpty && isTold {
      // Help, if it is asked for, is a result.
      if code == .success { try? output(message) } else { note(message) }
    }
    Foundation.exit(code.rawValue)
  }
}

struct ConvoyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convoy",
    abstract: "Plan and run einsum with convolution modes, and train tensorial networks.",
    discussion: """
      An expression names the modes (indices) of each operand and of the result; modes after '|' \
      are convolved:

        convoy plan 'bshw,rt,rs,rh,rw->bthw|hw' --conv '*:kind=correlation' \\
          --shape 32,64,32,32 --shape 27,64 --shape 27,64 --shape 27,3 --shape 27,3

      Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 \
      failed, 64 bad usage or input. 'contract', 'train', 'bench' and 'calibrate' also run under \
      mpirun.

      The environment variable CONVOY_KERNELS names the kernels to use: fast (the default), openblas \
      (no kernels of our own), reference (nor OpenBLAS); CONVOY_INSTRUCTIONS the most that they may use of the \
      processor: avx512, avx2, any; both the same on all ranks.
      """,
    version: "0.1.0",
    subcommands: [
      PlanCommand.self, ContractCommand.self, DescribeCommand.self, TrainCommand.self,
      BenchCommand.self, CalibrateCommand.self, DoctorCommand.self,
    ])

  /// Of every command: what the environment says must hold before anything runs.
  func validate() throws {
    do {
      _ = try Context(environment: ProcessInfo.processInfo.environment)
    } catch {
      throw ValidationError("\(error)")
    }
  }
}

import CKernels

/// The threads of this process that share the work of one kernel or layer.
///
/// How a loop is divided depends on shapes only, never on the number of threads, unless each of its indices is computed
/// alike in any part; and no sum is divided but where its parts are added up in a fixed order: results have the same
/// bits on any number.
///
/// A library uses one thread until it is told otherwise.
///
/// ```swift
/// ThreadPool.use(count: 4)
/// ThreadPool.run(count: 16) { block in scale(block) }   // on 4 threads; back when all are done
/// ```
public enum ThreadPool {
  /// Threads that loops run on, the caller's included.
  public static var count: Int { convoy_threads_count() }

  /// Sets the number of threads for all loops from now on.
  ///
  /// - Returns: the number there is, which is less where the system gives no more.
  @discardableResult
  public static func use(count: Int) -> Int { convoy_threads_use(count) }

  /// Cores that this process may use, by its affinity.
  public static var usableCores: Int { convoy_cores() }
  /// Cores that the process may use that started this one: all that this job has on this machine.
  public static var launcherCores: Int { convoy_launcher_cores() }

  /// The number of threads for a process that shares its machine with others of its job: its cores, by
  /// the number of processes that each is shared by.
  ///
  /// A launcher may have bound processes to cores of their own, or to sockets; what it has divided is
  /// not divided again.
  ///
  /// - Parameters:
  ///   - usable: cores that this process may use.
  ///   - launcher: cores that its launcher may use.
  ///   - processes: of the job on this machine.
  ///
  /// ```swift
  /// ThreadPool.defaultCount(usable: 8, launcher: 8, processes: 2)   // 4
  /// ThreadPool.defaultCount(usable: 1, launcher: 8, processes: 2)   // 1: bound to a core
  /// ThreadPool.defaultCount(usable: 8, launcher: 16, processes: 4)  // 4: two on each socket
  /// ```
  public static func defaultCount(usable: Int, launcher: Int, processes: Int) -> Int {
    let launcher = max(1, launcher, usable)
    // Launchers tell the number in the environment, where anything may stand.
    let (usable, processes) = (max(1, usable), min(max(1, processes), 1 << 20))
    // Processes per core, if each may use as many cores as this one: usable · processes / launcher,
    // rounded up.
    let (quotient, remainder) = (usable * processes).quotientAndRemainder(dividingBy: launcher)
    return max(1, usable / max(1, quotient + (remainder > 0 ? 1 : 0)))
  }

  /// Calls the body for 0 ..< `count`, several indices at a time on several threads, and returns when
  /// all calls have.
  ///
  /// Within the body of another loop the caller makes the calls, with the threads that have none of the
  /// outer loop left: so no thread waits while the last calls of a loop of few and long ones run. A third
  /// loop within, or one of another thread outside the pool meanwhile, runs on its caller.
  ///
  /// - Parameter body: captures what threads may share; pointers, each thread to a part of its own, by
  ///   `nonisolated(unsafe) let`.
  public static func run(count: Int, _ body: @Sendable (Int) -> Void) {
    guard count > 1, convoy_threads_count() > 1 else {
      for index in 0..<max(0, count) { body(index) }
      return
    }
    withoutActuallyEscaping(body) { body in
      var work = Work(body: body)
      withUnsafeMutablePointer(to: &work) { work in
        convoy_threads_run(
          count, { $1?.assumingMemoryBound(to: Work.self).pointee.body($0) }, work)
      }
    }
  }

  private struct Work {
    let body: @Sendable (Int) -> Void
  }

  /// Calls the body for ranges that together are 0 ..< `count`, each a multiple of `unit` but for the
  /// last: one where the work is not worth dividing, and at most 32.
  ///
  /// - Parameter nanoseconds: of all the work, roughly; a function of shapes.
  public static func run(
    over count: Int, unit: Int = 1, nanoseconds: Double, _ body: @Sendable (Range<Int>) -> Void
  ) {
    let units = (count + unit - 1) / unit
    let parts = min(units, parts(nanoseconds: nanoseconds))
    guard parts > 1 else {
      if count > 0 { body(0..<count) }
      return
    }
    run(count: parts) { part in
      body(part * units / parts * unit..<min(count, (part + 1) * units / parts * unit))
    }
  }

  /// Into how many parts so much work is divided: handing one out costs a microsecond or two.
  static func parts(nanoseconds: Double) -> Int {
    nanoseconds < 8000 ? 1 : Int(min(32, nanoseconds / 2500))
  }
}

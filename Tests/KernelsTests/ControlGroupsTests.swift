import Testing

@testable import Kernels

/// Where the limits of a process's control groups are found, of files as systems have them.
@Suite struct ControlGroupsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let cgroup: String
    let mountInfo: String
    let files: [String: String]
    let limit: Int?
  }

  private static let unified =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
  private static let memory =
    "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory"
  private static let processor =
    "35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"

  static let cases = [
    Case(
      testDescription: "version 2, Slurm's job limits the step and the task in it",
      cgroup: "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n", mountInfo: unified,
      files: [
        "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_0/user/task_0/memory.max": "max\n",
        "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_0/user/memory.max": "max\n",
        "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_0/memory.max": "3000000\n",
        "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/memory.max": "2000000\n",
        "/sys/fs/cgroup/system.slice/memory.max": "9000000\n",
      ], limit: 2_000_000),
    Case(
      testDescription: "version 2, the process's own is the least",
      cgroup: "0::/a/b\n", mountInfo: unified,
      files: ["/sys/fs/cgroup/a/b/memory.max": "5\n", "/sys/fs/cgroup/a/memory.max": "7\n"],
      limit: 5),
    Case(
      testDescription: "version 2, a container that sees itself as the root",
      cgroup: "0::/\n", mountInfo: unified, files: ["/sys/fs/cgroup/memory.max": "1048576\n"],
      limit: 1_048_576),
    Case(
      testDescription: "version 2, a container's own group is mounted, its path is the host's",
      cgroup: "0::/docker/f00/inner\n",
      mountInfo: "30 23 0:26 /docker/f00 /sys/fs/cgroup ro - cgroup2 cgroup rw",
      files: [
        "/sys/fs/cgroup/memory.max": "400\n", "/sys/fs/cgroup/inner/memory.max": "300\n",
        "/sys/fs/cgroup/docker/f00/inner/memory.max": "1\n",
      ], limit: 300),
    Case(
      testDescription: "a group outside of what is mounted", cgroup: "0::/../other\n",
      mountInfo: unified,
      files: [
        "/sys/fs/cgroup/memory.max": "500\n", "/sys/fs/cgroup/../other/memory.max": "1\n",
      ], limit: 500),
    Case(
      testDescription: "version 1, nested, beside controllers that say nothing of memory",
      cgroup: "5:cpu,cpuacct:/c\n4:memory:/slurm/uid_0/job_7\n1:name=systemd:/\n",
      mountInfo: processor + "\n" + memory,
      files: [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/slurm/uid_0/memory.limit_in_bytes": "800\n",
        "/sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.limit_in_bytes": "900\n",
        "/sys/fs/cgroup/cpu,cpuacct/c/memory.limit_in_bytes": "1\n",
      ], limit: 800),
    Case(
      testDescription: "both versions, memory by version 1",
      cgroup: "4:memory:/m\n0::/u\n",
      mountInfo: memory + "\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
      files: ["/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "600\n"], limit: 600),
    Case(
      testDescription: "a folder whose name has a space", cgroup: "0::/a b:c\n",
      mountInfo: "30 23 0:26 / /sys\\040fs rw - cgroup2 cgroup2 rw",
      files: ["/sys fs/a b:c/memory.max": "70\n"], limit: 70),
    Case(
      testDescription: "no limit anywhere", cgroup: "0::/a\n", mountInfo: unified,
      files: ["/sys/fs/cgroup/a/memory.max": "max\n"], limit: nil),
    Case(testDescription: "nothing is known", cgroup: "", mountInfo: "", files: [:], limit: nil),
    Case(
      testDescription: "lines of nonsense", cgroup: "0:\nmemory\n::\n",
      mountInfo: "- cgroup2\n1 2 3 4 5 6 - cgroup2", files: [:], limit: nil),
  ]

  @Test(arguments: cases) func limit(_ value: Case) {
    let groups = ControlGroups(cgroup: value.cgroup, mountInfo: value.mountInfo) {
      value.files[$0]
    }
    #expect(groups.memoryLimit == value.limit, "\(groups.limitFiles)")
  }

  /// A limit that stands in a group of this process counts, at whatever depth.
  @Test func thisProcessHasNoMoreThanItsGroupAllows() {
    #expect(HostMemory.limitBytes > 0)
    if let limit = ControlGroups.current.memoryLimit { #expect(HostMemory.limitBytes <= limit) }
  }
}

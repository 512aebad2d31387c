// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
]

/// No options for speed: `target_clones` picks the machine's vectors when the program is loaded.
let strictC: [CSetting] = [
  .treatAllWarnings(as: .error)
]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// Tests spend their time in what they test; without optimisation they compile in half of theirs.
/// What an oracle computes stands in `TestSupport`, or in tests that are optimised like all else.
func tests(
  _ name: String, _ dependencies: [Target.Dependency], optimized: Bool = false
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies,
    swiftSettings: strict + (optimized ? [] : [.unsafeFlags(["-Onone"])]))
}

let package = Package(
  name: "convoy",
  products: [
    .library(name: "Convoy", targets: ["Convoy"]),
    .executable(name: "convoy", targets: ["ConvoyCommand"]),
  ],
  traits: [
    .trait(name: "MPI", description: "Run on several processes with Open MPI."),
    .default(enabledTraits: ["MPI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CKernels", cSettings: strictC),
    .target(name: "CSignals", cSettings: strictC),

    module("Partitioning", []),
    module(
      "Planning", ["Partitioning", .product(name: "HeapModule", package: "swift-collections")]),
    module("Graph", ["Planning", "Partitioning"]),
    module("Kernels", ["CKernels", "COpenBLAS"]),
    module(
      "Collectives", ["CSignals", .target(name: "CMPI", condition: .when(traits: ["MPI"]))]),
    module("Formats", ["CSignals", "CZlib"]),
    module(
      "Execution", ["Planning", "Partitioning", "Graph", "Kernels", "CKernels", "Collectives"]),
    module(
      "Training",
      [
        "Execution", "Graph", "Planning", "Collectives", "Partitioning", "Formats", "CKernels",
        .product(name: "Yams", package: "Yams"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    module(
      "Convoy",
      ["Partitioning", "Planning", "Graph", "Kernels", "Collectives", "Execution", "Training"]),
    .executableTarget(
      name: "ConvoyCommand",
      dependencies: [
        "Convoy", "Formats", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),

    .target(
      name: "CollectivesChecks", dependencies: ["Collectives"],
      path: "Tests/CollectivesChecks", swiftSettings: strict),
    .target(
      name: "TestSupport", dependencies: ["Planning", "Partitioning", "Kernels"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .executableTarget(
      name: "MPISelfTest",
      dependencies: ["Collectives", "CollectivesChecks", "CSignals", "Formats"],
      path: "Tests/MPISelfTest", swiftSettings: strict),
    tests("CommandTests", ["ConvoyCommand"]),
    tests("PartitioningTests", ["Partitioning"]),
    tests("PlanningTests", ["Planning", "TestSupport"], optimized: true),
    tests(
      "GraphTests",
      ["Graph", "Planning", "Partitioning", "Execution", "Kernels", "Collectives", "TestSupport"]),
    tests("KernelsTests", ["Kernels", "CKernels", "TestSupport"], optimized: true),
    tests("CollectivesTests", ["Collectives", "CollectivesChecks"]),
    tests("FormatsTests", ["Formats"]),
    tests(
      "ExecutionTests",
      ["Execution", "Planning", "Partitioning", "Kernels", "Collectives", "TestSupport"]),
    tests(
      "TrainingTests",
      [
        "Training", "Partitioning", "Planning", "Graph", "Kernels", "Collectives", "Execution",
        "Formats", "TestSupport",
      ]),
  ]
)

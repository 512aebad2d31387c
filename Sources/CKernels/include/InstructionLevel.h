// Which version of a kernel that is compiled by hand for several instruction sets this process runs.
#pragma once

/// The widest of these that the processor has, or the one that the environment variable CONVOY_INSTRUCTIONS
/// names (`avx512`, `avx2` or `any`) if that is less. Read once.
enum ConvoyInstructionLevel {
  convoy_any_instructions = 1,
  convoy_avx2_instructions = 3,
  convoy_avx512_instructions = 4,
};

enum ConvoyInstructionLevel convoy_instruction_level(void);

// Which version of a kernel that is compiled by hand for several instruction sets a call runs.
#pragma once

enum ConvoyInstructionLevel {
  convoy_any_instructions = 1,
  convoy_avx2_instructions = 3,
  convoy_avx512_instructions = 4,
};

/// The widest of these that the processor has. A call of a kernel with a wider one ends the process.
enum ConvoyInstructionLevel convoy_widest_instructions(void);

// The batch-reduce GEMM and memory-bound loops in C, compiled for several vector instruction sets.
#pragma once
#include "BatchReduce.h"
#include "DotProducts.h"
#include "Elementwise.h"
#include "InstructionLevel.h"
#include "LaneProducts.h"
#include "Layers.h"
#include "Magnitudes.h"
#include "Memory.h"
#include "Operators.h"
#include "PartialSums.h"
#include "Threads.h"
#include "Winograd.h"

// Memory-bound loops in C, compiled for several vector instruction sets (`target_clones`).
#pragma once
#include "BatchReduce.h"
#include "Elementwise.h"
#include "Layers.h"
#include "Memory.h"

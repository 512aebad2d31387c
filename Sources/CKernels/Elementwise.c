#include "Elementwise.h"

#include "PartialSums.h"

#define ELEMENT float
#define NAMED(name) name##_f32
#include "Elementwise.inc"
#undef ELEMENT
#undef NAMED

#define ELEMENT double
#define NAMED(name) name##_f64
#include "Elementwise.inc"

// The optimizers' updates.
#include "Layers.h"
#include "VectorTargets.h"

#define ELEMENT float
#define NAMED(name) name
#include "Updates.inc"
#undef ELEMENT
#undef NAMED

#define ELEMENT double
#define NAMED(name) name##_f64
#include "Updates.inc"

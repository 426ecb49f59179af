// Vectors of 128 bits: what every x86-64 and Arm of 64 bits has, and what compilers can make of anything else.
#define LANES 4
#define MOST_ROWS 4
#define MOST_VECTORS 3
#define LEVEL kernels_portable
#define LEVEL_NAME "portable"
#include "kernels.inc"

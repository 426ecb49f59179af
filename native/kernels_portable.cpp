// Vectors of 128 bits: what every x86-64 and Arm of 64 bits has, and what compilers can make of anything else.
#define LANES 4
#define MOST_SUMS 12
#define LEVEL kernels_portable
#define LEVEL_NAME "portable"
#include "kernels.inc"

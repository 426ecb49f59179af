// 32 registers of 512 bits: 24 hold sums.
#define LANES 16
#define MOST_SUMS 24
#define LEVEL kernels_avx512
#define LEVEL_NAME "avx512"
#include "kernels.inc"

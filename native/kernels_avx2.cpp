// 16 registers of 256 bits: 12 hold sums, three the right factor's vectors, one a number of the left factor.
#define LANES 8
#define MOST_SUMS 12
#define LEVEL kernels_avx2
#define LEVEL_NAME "avx2"
#include "kernels.inc"

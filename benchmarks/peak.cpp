// The multiply-adds that one core can do: as many independent chains as hide their latency, and nothing else.
// benchmarks/peak.py compiles it once for each instruction set, with LANES, CHAINS and that set's flags.
typedef float vec __attribute__((vector_size(4 * LANES)));

extern "C" float multiply_add(long rounds) {
    vec sums[CHAINS], x{}, y{};
    x += 0.999f;
    y += 1e-3f;
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; ++i) sums[i] = y * (i + 1.0f);  // equal chains would become one
    for (long k = 0; k < rounds; ++k) {
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; ++i) sums[i] = sums[i] * x + y;
    }
    float total = 0;
    for (int i = 0; i < CHAINS; ++i) total += sums[i][0];
    return total;
}

// Which instruction sets this processor has.
#include <cstring>

#include "kernels.h"

namespace moreish {

extern const Kernels kernels_portable;
#ifdef MOREISH_X86
extern const Kernels kernels_avx2, kernels_avx512;
#endif

const Kernels* const* levels() {
    static const Kernels* found[4] = {};
    if (found[0]) return found;
    int n = 0;
#ifdef MOREISH_X86
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        found[n++] = &kernels_avx512;
    if (has_avx2) found[n++] = &kernels_avx2;
#endif
    found[n] = &kernels_portable;
    return found;
}

const Kernels* find_level(const char* name) {
    for (const Kernels* const* level = levels(); *level; ++level)
        if (!std::strcmp((*level)->name, name)) return *level;
    return nullptr;
}

}  // namespace moreish

// The door to the kernels one by one.
#pragma once
#include <nanobind/nanobind.h>

#include "kernels.h"

void bind_kernels(nanobind::module_ m);

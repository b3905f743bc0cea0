/* The unit that has room for a spec's streams. */
#include "stream/cuda/mapping.h"

mhc_status mhc__cuda_coefficients(const mhc__cuda_call *call, const mhc__cuda_gates *gates) {
    int n = call->shape->n;
    return n <= 4   ? mhc__cuda_coefficients_4(call, gates)
           : n <= 8 ? mhc__cuda_coefficients_8(call, gates)
                    : mhc__cuda_coefficients_16(call, gates);
}

mhc_status mhc__cuda_coefficients_back(const mhc__cuda_call *call, const mhc__cuda_gates_back *gates) {
    int n = call->shape->n;
    return n <= 4   ? mhc__cuda_coefficients_back_4(call, gates)
           : n <= 8 ? mhc__cuda_coefficients_back_8(call, gates)
                    : mhc__cuda_coefficients_back_16(call, gates);
}

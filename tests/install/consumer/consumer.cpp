// The headers read as C++, and the functions link as C.
#include "mhc/mhc.h"

#include <cstring>

int main() {
    mhc_spec spec;
    mhc_error error;
    float logits[4] = {1.0f, 0.0f, 0.0f, 1.0f}, res[4];
    mhc_context context = mhc_context_cpu(1);
    if (mhc_spec_preset(&spec, "paper", 2, 8, &error) != MHC_OK ||
        mhc_constraint_forward(&context, &spec, 1, logits, res, &error) != MHC_OK)
        return 1;
    bool sums_to_one = res[0] + res[1] > 0.999f && res[0] + res[1] < 1.001f;
    return sums_to_one && std::strcmp(mhc_version(), "0.1.0") == 0 ? 0 : 1;
}

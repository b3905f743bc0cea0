#include "study/constraints.h"
#include "study/figure.h"
mhc_status mhc__constraints_figures(mhc__constraints *study, mhc__html *html, mhc_error *error) {
    (void)study, (void)html, (void)error;
    return MHC_OK;
}

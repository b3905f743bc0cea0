#include "study/constraints.h"
void mhc__constraints_findings(const mhc__constraints *study, mhc__html *html) {
    (void)study, (void)html;
}

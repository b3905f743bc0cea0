#include "study/figure.h"

mhc_status mhc__figure_draw(mhc__figure *figure, const char *folder, mhc__html *html, const mhc__study_options *options,
                            mhc_error *error) {
    return mhc__figure_put(figure, folder, html, options->log, error);
}

/* Any bytes as metrics.jsonl, read in two parts as a growing file is, then drawn on a small screen; and as an SVG
 * picture. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "report/metrics.h"
#include "report/screen.h"
#include "report/svg.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[256];

static void clean_up(void) {
    mhc__remove_tree(folder, NULL);
}

static void put(const char *path, const char *mode, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, mode);
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

static void draw(const mhc__metrics *metrics) {
    mhc__screen screen = {folder, metrics, 10, 64, 0, 40, 16, true};
    mhc__text out = {0};
    mhc__screen_draw(&screen, &out);
    mhc__screen_line(&screen, &out);
    mhc__text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[300], picture[300];
    if (!*folder) {
        scratch_name("mhc-fuzz-metrics", folder, sizeof folder);
        if (mhc__make_folders(folder, NULL) != MHC_OK)
            abort();
        atexit(clean_up);
    }
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    snprintf(picture, sizeof picture, "%s/picture.svg", folder);
    mhc__metrics metrics;
    if (mhc__metrics_start(&metrics, path, NULL) != MHC_OK)
        abort();
    put(path, "wb", data, size / 2);
    mhc__metrics_follow(&metrics, NULL, NULL);
    put(path, "ab", data + size / 2, size - size / 2);
    mhc__metrics_follow(&metrics, NULL, NULL);
    for (int64_t i = 1; i < metrics.rows; i++)
        if (metrics.step[i] <= metrics.step[i - 1])
            abort();
    draw(&metrics);
    mhc__metrics_free(&metrics);
    put(picture, "wb", data, size);
    mhc__text out = {0};
    mhc__svg_inline(folder, "picture", 2, 2, 3, true, "a picture", &out, NULL);
    mhc__text_free(&out);
    return 0;
}

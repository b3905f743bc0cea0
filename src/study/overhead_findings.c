#include "study/overhead.h"

static void say(mhc__spread ratio, mhc__text *text) {
    mhc__text_format(text, "%.2f (%.2f to %.2f)", ratio.median, ratio.least, ratio.most);
}

/* "falls", "rises", or neither where the ranges overlap. */
static void trend(mhc__spread first, mhc__spread last, const char *with, mhc__text *text) {
    if (mhc__overhead_is_less(first, last))
        mhc__text_format(text, ": it falls with %s.", with);
    else if (mhc__overhead_is_less(last, first))
        mhc__text_format(text, ": it rises with %s.", with);
    else
        mhc__text_format(text, ": the ranges overlap.");
}

static void about(const mhc__overhead *study, mhc__html *html, int choice) {
    int wide = mhc__overhead_largest(study->channels, study->channel_count),
        narrow = mhc__overhead_smallest(study->channels, study->channel_count),
        many = mhc__overhead_largest(study->streams, study->stream_count),
        few = mhc__overhead_smallest(study->streams, study->stream_count);
    const char *label = study->choices[choice].label;
    const mhc__overhead_cell *corner = mhc__overhead_at(study, wide, many, choice),
                             *residual = mhc__overhead_residual(study, wide, many);
    mhc__text said = {0};
    mhc__text_format(&said, "**%s** with %d streams takes ", label, study->streams[many]);
    say(mhc__overhead_at(study, narrow, many, choice)->ratio, &said);
    mhc__text_format(&said, " times the residual's step at %d channels", study->channels[narrow]);
    if (narrow != wide) {
        mhc__text_format(&said, " and ");
        say(corner->ratio, &said);
        mhc__text_format(&said, " at %d", study->channels[wide]);
        trend(mhc__overhead_at(study, narrow, many, choice)->ratio, corner->ratio, "the width", &said);
    } else {
        mhc__text_format(&said, ".");
    }
    mhc__html_item_text(html, &said);
    if (few != many) {
        mhc__text_format(&said, "%s at %d channels takes ", label, study->channels[wide]);
        say(mhc__overhead_at(study, wide, few, choice)->ratio, &said);
        mhc__text_format(&said, " with %d stream%s and ", study->streams[few], study->streams[few] > 1 ? "s" : "");
        say(corner->ratio, &said);
        mhc__text_format(&said, " with %d", study->streams[many]);
        trend(mhc__overhead_at(study, wide, few, choice)->ratio, corner->ratio, "the streams", &said);
        mhc__html_item_text(html, &said);
    }
    mhc__text_format(&said,
                     "The memory of a run of %s at %d channels with %d streams is %.2f times the residual's, and %.2f "
                     "times where streams are computed again in backward (the residual's as well).",
                     label, study->channels[wide], study->streams[many], corner->bytes / residual->bytes,
                     corner->least_bytes / residual->least_bytes);
    mhc__html_item_text(html, &said);
}

void mhc__overhead_findings(const mhc__overhead *study, mhc__html *html) {
    mhc__html_list_start(html);
    for (int c = 0; c < study->choice_count; c++)
        about(study, html, c);
    mhc__html_list_end(html);
}

#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "study/contraction.h"
#include "study/page.h"

typedef mhc__contraction_study study_t;

static const char QUESTION[] =
    "Every mixing matrix that is not a permutation and has no negative entries shrinks the differences between the "
    "streams. How much of what the first layer wrote into them is left after 60 layers, after 500? Gains say nothing "
    "about it: they are 1 for a product that has only kept the mean. Measured are the singular values of products on "
    "stream differences, as logarithms, so that nothing underflows; first of the constraints alone, then of models.";

static void ln_cell(mhc__table *table, double ln) {
    if (isinf(ln) && ln < 0)
        mhc__table_cell(table, "0");
    else if (isfinite(ln) && ln < -600)
        mhc__table_cell(table, "1e%.0f", ln / log(10));
    else
        mhc__table_number(table, exp(ln));
}

static void count_cell(mhc__table *table, double value, int sites) {
    if (isinf(value))
        mhc__table_cell(table, "> %d", sites);
    else
        mhc__table_number(table, value);
}

/* -ln |det|: infinite where a difference is lost whole, as by 1/n. */
static void volume_cell(mhc__table *table, double value) {
    if (isinf(value))
        mhc__table_cell(table, "%s", value > 0 ? "inf" : "-inf");
    else
        mhc__table_number(table, value);
}

static const char HEAD[] =
    "Constraint|When|Sites|Σ 1 - H_ii|-ln det, site|product|law|ratio|from the first site|Left, rms|largest σ|"
    "smallest σ|Half after|Row sums off 1|Column sums off 1|Effective rank|dx_0 passed";

static void row(mhc__table *table, const char *name, const char *when, const mhc__contraction *c) {
    double law = mhc__contraction_law(c);
    mhc__table_cell(table, "%s", name);
    mhc__table_cell(table, "%s", when);
    mhc__table_cell(table, "%d", c->sites);
    mhc__table_number(table, c->mass);
    volume_cell(table, c->volume);
    volume_cell(table, c->total);
    mhc__table_number(table, law);
    if (c->mass > 1e-9 && isfinite(c->total))
        mhc__table_number(table, c->total / law);
    else
        mhc__table_cell(table, "–");
    mhc__table_number(table, c->sites * c->mass_first);
    ln_cell(table, mhc__contraction_left(c));
    ln_cell(table, c->largest);
    ln_cell(table, c->smallest);
    count_cell(table, c->half_life, c->sites);
    mhc__table_number(table, c->forward_off);
    mhc__table_number(table, c->backward_off);
    mhc__table_number(table, c->rank);
    mhc__table_number(table, c->passed);
}

static void when_of(int spread, char *text, size_t size) {
    if (mhc__contraction_spreads[spread] > 0)
        snprintf(text, size, "scale %g", mhc__contraction_spreads[spread]);
    else
        snprintf(text, size, "start alone");
}

static void fill_table(const study_t *study, mhc__table *table) {
    char when[32];
    mhc__table_start(table, HEAD);
    for (int i = 0; i < study->subject_count; i++) {
        const mhc__subject *s = &study->subjects[i];
        row(table, s->label, "model, start", &s->before.maps);
        if (s->finite)
            row(table, s->label, "model, trained", &s->after.maps);
    }
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        for (int d = 0; d < study->depth_count; d++)
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
                when_of(spread, when, sizeof when);
                row(table, mhc__contraction_maps[map].name, when, &study->maps[map][d][spread]);
            }
}

/* What is seen at a glance: one row for each map, left after the fewest and the most sites. */
static void short_table(const study_t *study, mhc__contraction_group group, mhc__table *table) {
    int last = study->depth_count - 1, first = study->depths[0], most = study->depths[last];
    mhc__text head = {0};
    mhc__text_format(&head, "Constraint|Σ 1 - H_ii");
    for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
        char when[32];
        when_of(spread, when, sizeof when);
        mhc__text_format(&head, "|%s: left after %d|after %d|half after", when, first, most);
    }
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        if (mhc__contraction_maps[map].group != group)
            continue;
        mhc__table_cell(table, "%s", mhc__contraction_maps[map].name);
        mhc__table_number(table, study->maps[map][last][0].mass);
        for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
            ln_cell(table, mhc__contraction_left(&study->maps[map][0][spread]));
            ln_cell(table, mhc__contraction_left(&study->maps[map][last][spread]));
            count_cell(table, study->maps[map][last][spread].half_life, most);
        }
    }
}

static void models_table(const study_t *study, mhc__table *table) {
    mhc__table_start(table,
                     "Model|When|Loss|Left, rms|Half after|Energy of the first left|its share|Differences, share "
                     "of energy|Gradient, first over last|its differences|Cosine|Spread");
    for (int i = 0; i < study->subject_count; i++)
        for (int when = 0; when < 1 + study->subjects[i].finite; when++) {
            const mhc__contraction_look *look = when ? &study->subjects[i].after : &study->subjects[i].before;
            int last = look->points - 1;
            mhc__table_cell(table, "%s", study->subjects[i].label);
            mhc__table_cell(table, when ? "step %lld" : "start", (long long)study->subjects[i].step);
            mhc__table_number(table, look->loss);
            ln_cell(table, mhc__contraction_left(&look->maps));
            count_cell(table, look->maps.half_life, look->maps.sites);
            ln_cell(table, look->kept[last]);
            mhc__table_number(table, look->share[last]);
            mhc__table_number(table, look->difference[last]);
            mhc__table_number(table, look->gradient[0] / look->gradient[last]);
            mhc__table_number(table, look->rest[1] / look->gradient[last]);
            mhc__table_number(table, look->cosine);
            mhc__table_number(table, look->spread);
        }
}

static void show(mhc__html *html, mhc__table *table, const char *caption) {
    mhc__html_table(html, table, caption);
    mhc__table_free(table);
}

static void how_it_was_run(const study_t *study, mhc__html *html) {
    mhc__html_section(html, "How it was run");
    mhc__html_paragraph(
        html,
        "Constraints alone: %d streams, matrices as the library makes them in fp32, %d random inputs of 64 channels, "
        "the "
        "same for all sites; each site draws its own weights of the mapping, so that the dynamic part of a logit has "
        "the scale as its standard deviation. The law: the sum of 1 - H_ii over all sites; from the first site: L "
        "times its sum. `leaky` is (1 - "
        "β/2L) I + β/2L K, with K of `birkhoff`.",
        MHC__CONTRACTION_N, study->tokens);
    if (study->choice_count) {
        const mhc__config *config = &study->arms[0].config;
        mhc__html_paragraph(
            html,
            "Models: %d blocks (a site around attention and one around feed-forward), %d channels, %d "
            "streams; %lld steps of %d rows of %d tokens; text: %s. All start from the same weights and "
            "see the same batches. Measured on one batch without dropout, of held-out text where there is "
            "some, once with the weights of the start, once trained.",
            config->model.blocks, config->model.channels, study->config.model.streams, (long long)config->train.steps,
            config->train.batch, config->model.sequence,
            strcmp(config->data.path, "builtin") ? config->data.path : "the built-in corpus");
    } else {
        mhc__html_paragraph(html,
                            "Model: `%s`, step %lld, on one batch of its text; the start is its own, drawn again "
                            "from its seed.",
                            study->subjects[0].folder, (long long)study->subjects[0].step);
    }
}

static mhc_status build_page(study_t *study, mhc__html *html, mhc_error *error) {
    static const char *const captions[MHC__MAP_GROUPS] = {
        "Constraints alone, at published starts: left of a difference, root mean square over directions.",
        "The same mass off the diagonal at the start.", "Leaky mixers around wide K, and K itself."};
    mhc__contraction_evidence evidence = mhc__contraction_gather(study);
    mhc__table table;
    mhc__html_start(html, "How much of the first layer survives",
                    "`mhc study contraction`: products of 60 to 500 mixing matrices, alone and in models");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", QUESTION);
    mhc__html_section(html, "What was found");
    mhc__contraction_findings(study, html);
    MHC__TRY(mhc__page_claims(html, mhc__contraction_claims, MHC__CONTRACTION_CLAIMS, &evidence, study->folder.report,
                              study->options, error));
    mhc__html_section(html, "Constraints alone");
    MHC__TRY(mhc__contraction_map_figures(study, html, error));
    for (int group = 0; group < MHC__MAP_GROUPS; group++) {
        short_table(study, (mhc__contraction_group)group, &table);
        show(html, &table, captions[group]);
    }
    mhc__html_section(html, "Models");
    MHC__TRY(mhc__contraction_model_figures(study, html, error));
    models_table(study, &table);
    show(html, &table,
         "Left: of a random difference, by the matrices alone. Energy of the first: of the differences that site 0 "
         "wrote, "
         "carried on by the matrices. Its share: of the energy of all differences before contraction. Gradient of "
         "differences: of the streams after site 0, over the gradient of the last (a mean before contraction has no "
         "differences). Cosine and share of differences are "
         "those "
         "before contraction, spread the largest of all depths.");
    how_it_was_run(study, html);
    return MHC_OK;
}

mhc_status mhc__contraction_report(study_t *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__html html = {0};
    mhc__table table, seen;
    mhc_status status = build_page(study, &html, error);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study contraction --set study.checkpoint=RUN --out runs/contraction-run\n"
                          "mhc study intervene     # what a model loses without its matrices\n"
                          "mhc study matrices      # the matrices themselves\n");
    fill_table(study, &table);
    models_table(study, &seen);
    const mhc__page_ending ending = {"contraction", study->options, study->folder.report, 1, study->seconds,
                                     &table,        &seen};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    mhc__table_free(&seen);
    return status;
}

/* What the probes see of a trained model, from one batch. Definitions: docs/metrics.md. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "file/atomic.h"
#include "inspect.h"
#include "mhc/context.h"
#include "probe/copies.h"
#include "probe/look.h"
#include "probe/probe.h"
#include "probe/traffic.h"
#include "report/table.h"
#include "train/plan.h"

typedef struct inspection {
    mhc__look look;
    double loss, forward, backward, measuring; /* seconds */
    mhc__probe probe;
} inspection;

/* The first pass finds its memory, and the second is timed. */
static mhc_status pass_through(inspection *self, mhc_context context, mhc_error *error) {
    mhc__model *model = self->look.trained.model;
    for (int i = 0; i < 2; i++) {
        mhc__model_zero_gradients(model, &context);
        memset(mhc__model_seconds(model), 0, MHC__MODEL_PARTS * sizeof(double));
        double start = mhc__clock_seconds();
        MHC__TRY(mhc__model_forward(model, &context, &self->look.pass, &self->loss, error));
        self->forward = mhc__clock_seconds() - start;
        start = mhc__clock_seconds();
        MHC__TRY(mhc__model_backward(model, &context, &self->look.pass, error));
        self->backward = mhc__clock_seconds() - start;
    }
    return MHC_OK;
}

static mhc_status measure(inspection *self, const mhc__arguments *arguments, mhc_error *error) {
    mhc_context context = mhc_context_cpu((int)mhc__option_integer(arguments, "threads", 0));
    mhc__mixing_options options = {context.threads, mhc__option_integer(arguments, "tokens", 0), true};
    mhc__gradient_flow flow;
    MHC__TRY(mhc__gradient_flow_start(&flow, self->look.trained.model, context.threads, error));
    flow.tokens = options.tokens;
    mhc_status status = pass_through(self, context, error);
    double start = mhc__clock_seconds();
    if (status == MHC_OK)
        status = mhc__probe_measure(self->look.trained.model, &flow, &options, &self->probe, error);
    self->measuring = mhc__clock_seconds() - start;
    mhc__gradient_flow_stop(&flow);
    return status;
}

/* ---- tables ---- */

static mhc_status print_table(mhc__table *table, const char *title, mhc_error *error) {
    mhc__text text = {0};
    mhc__table_plain(table, &text);
    bool failed = table->failed || text.failed;
    if (!failed)
        printf("\n%s\n\n%s", title, text.data);
    mhc__text_free(&text);
    mhc__table_free(table);
    return failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the table", title) : MHC_OK;
}

/* A number, or "–" where it isn't defined. */
static void cell(mhc__table *table, double value) {
    if (isnan(value))
        mhc__table_cell(table, "–");
    else if (isinf(value))
        mhc__table_cell(table, value > 0 ? "Inf" : "-Inf");
    else
        mhc__table_number(table, value);
}

static mhc_status print_sites(const mhc__probe *probe, mhc_error *error) {
    static const mhc__matrix_metric columns[] = {
        MHC__FORWARD_MAX,    MHC__BACKWARD_MAX,   MHC__BACKWARD_MIN,  MHC__LOG_VOLUME,   MHC__OFF_DIAGONAL,
        MHC__DIFFERENCE_MAX, MHC__DIFFERENCE_MIN, MHC__FROM_IDENTITY, MHC__FROM_UNIFORM, MHC__FROM_PERMUTATION,
        MHC__ENTROPY,        MHC__DOBRUSHIN,      MHC__ROTATION_MAX,  MHC__CYCLES};
    mhc__table table = {0};
    mhc__table_start(&table,
                     "Site|Fwd max|Bwd max|Bwd min|-ln det|Off-diag.|Diff. max|Diff. min|From I|From 1/n|From perm."
                     "|Entropy|Dobrushin|Angle|Cycles|Residual|Half-life|Logit decades|Saturated");
    for (int site = 0; site < probe->mixing.sites; site++) {
        mhc__table_cell(&table, "%d", site);
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            cell(&table, columns[c] == MHC__CYCLES && !probe->sinkhorn
                             ? NAN
                             : mhc__mixing_site(&probe->mixing, site, columns[c])->mean);
        cell(&table, fmax(mhc__mixing_site(&probe->mixing, site, MHC__RESIDUAL_ROWS)->high,
                          mhc__mixing_site(&probe->mixing, site, MHC__RESIDUAL_COLUMNS)->high));
        cell(&table, probe->mixing.half_life[site].median);
        cell(&table, probe->logits.sites ? probe->logits.range[site].median : NAN);
        cell(&table, probe->logits.sites ? probe->logits.saturated[site] : NAN);
    }
    return print_table(
        &table, "Mixing matrices: means over tokens, the largest residual, medians of half-life and range of logits",
        error);
}

static void composite_row(mhc__table *table, const char *name, const mhc__statistics *s, double of_mean) {
    mhc__table_cell(table, "%s", name);
    cell(table, s->mean);
    cell(table, s->p5);
    cell(table, s->median);
    cell(table, s->p95);
    cell(table, of_mean);
}

static mhc_status print_composite(const mhc__probe *probe, mhc_error *error) {
    const mhc__mixing *m = &probe->mixing;
    mhc__table table = {0};
    mhc__table_start(&table, "Composite|Mean|5 %|Median|95 %|Of the mean matrix");
    for (int metric = 0; metric < MHC__CYCLES; metric++)
        composite_row(&table, mhc__matrix_metric_name((mhc__matrix_metric)metric),
                      mhc__mixing_whole(m, (mhc__matrix_metric)metric),
                      metric < MHC__MATRIX_GAINS ? m->product_of_mean[(m->products - 1) * MHC__MATRIX_GAINS + metric]
                                                 : NAN);
    for (int k = 0; k < m->directions; k++) {
        char name[48];
        snprintf(name, sizeof name, "ln sigma %d%s", k + 1, m->on_differences ? " (differences)" : "");
        composite_row(&table, name, &m->spectrum[(m->products - 1) * m->directions + k], NAN);
    }
    return print_table(&table, "The product over all sites", error);
}

static mhc_status print_depths(const mhc__probe *probe, mhc_error *error) {
    static const mhc__state_metric columns[] = {
        MHC__STATE_NORM,   MHC__STATE_NORM_OF_MEAN,   MHC__STATE_DIFFERENCE_SHARE,
        MHC__STATE_COSINE, MHC__STATE_EFFECTIVE_RANK, MHC__STATE_SPREAD};
    mhc__table table = {0};
    mhc__table_start(&table, "Before site|Norm|Of mean|Diff. share|Cosine|Rank|Spread|CKA|From before|Gradient|Of mean|"
                             "Of differences");
    for (int point = 0; point < probe->states.points; point++) {
        if (point + 1 < probe->states.points)
            mhc__table_cell(&table, "%d", point);
        else
            mhc__table_cell(&table, "end");
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            cell(&table, mhc__state_at(&probe->states, point, columns[c]));
        cell(&table, probe->similarity.of_streams[point]);
        cell(&table, probe->similarity.from_before[point]);
        for (int part = 0; part < 3; part++)
            cell(&table, probe->flow[part * probe->points + point]);
    }
    return print_table(&table, "Streams, and the gradient of the streams", error);
}

static mhc_status print_gradients(const mhc__probe *probe, mhc_error *error) {
    const mhc__gradients *g = &probe->gradients;
    mhc__table table = {0};
    mhc__table_start(&table, "Site|Layer|Connection|H_res over H_pre");
    for (int site = 0; site < g->sites; site++) {
        double ratio = g->mixer_ratio[site];
        mhc__table_cell(&table, "%d", site);
        cell(&table, g->layer[site]);
        cell(&table, g->connection[site]);
        if (ratio < MHC__DEAD_MIXER)
            mhc__table_cell(&table, "%.3g, dead", ratio);
        else
            cell(&table, ratio);
    }
    MHC__TRY(print_table(&table, "Gradients of parameters", error));
    printf("\nlast block over first: %.4g; connections have %.3g of all squares; dead mixers: %d\n", g->stratification,
           g->connection_share, g->dead_mixers);
    return MHC_OK;
}

/* -1 bytes, or 0 moved: not told. */
static void part_row(mhc__table *table, const char *part, double seconds, int64_t bytes, double moved) {
    mhc__table_cell(table, "%s", part);
    cell(table, seconds);
    cell(table, bytes < 0 ? NAN : (double)bytes / (1024 * 1024));
    cell(table, moved > 0 ? moved / (1024 * 1024) : NAN);
    cell(table, moved > 0 && seconds > 0 ? moved / seconds / 1e9 : NAN);
}

static mhc_status print_parts(const inspection *self, mhc_error *error) {
    const mhc__config *config = &self->look.trained.config;
    const double *seconds = mhc__model_seconds(self->look.trained.model);
    double moved[MHC__TRAFFIC_PARTS];
    mhc__train_memory memory;
    mhc__table table = {0};
    MHC__TRY(mhc__train_plan(&config->model, &config->train, self->look.held_out, &memory, error));
    mhc__traffic_of(self->look.trained.model, mhc__model_tokens(self->look.trained.model), moved);
    mhc__table_start(&table, "Part of a training step|Seconds|MiB|MiB to move|GB/s of those");
    part_row(&table, "weights", NAN, memory.model.weights, 0);
    part_row(&table, "gradients", NAN, memory.model.gradients, 0);
    part_row(&table, "optimizer", NAN, memory.optimizer, moved[MHC__TRAFFIC_UPDATE]);
    part_row(&table, "streams", NAN, memory.model.streams, 0);
    part_row(&table, "embedding and head", NAN, -1, moved[MHC__TRAFFIC_HEAD]);
    part_row(&table, "forward", self->forward, memory.model.activations, 0);
    part_row(&table, "  its connections", seconds[MHC__FORWARD_CONNECTIONS], -1,
             moved[MHC__TRAFFIC_FORWARD_CONNECTIONS]);
    part_row(&table, "  its layers", seconds[MHC__FORWARD_LAYERS], -1, moved[MHC__TRAFFIC_FORWARD_LAYERS]);
    part_row(&table, "backward", self->backward, memory.model.backward, 0);
    part_row(&table, "  its connections", seconds[MHC__BACKWARD_CONNECTIONS], -1,
             moved[MHC__TRAFFIC_BACKWARD_CONNECTIONS]);
    part_row(&table, "  its layers", seconds[MHC__BACKWARD_LAYERS], -1, moved[MHC__TRAFFIC_BACKWARD_LAYERS]);
    part_row(&table, "workspace", NAN, memory.model.workspace, 0);
    part_row(&table, "these probes", self->measuring, -1, 0);
    return print_table(&table, "Time, memory and traffic", error);
}

static mhc_status print_all(const inspection *self, int64_t asked, mhc_error *error) {
    const mhc__model *model = self->look.trained.model;
    const mhc_spec *spec = mhc__model_spec(model);
    mhc__text text = {0};
    printf("%s: %s, %d sites, %d streams of %lld channels; %lld %s tokens, loss %.4f\n", self->look.trained.checkpoint,
           self->look.trained.config.model.connection, mhc__model_sites(model), spec->streams,
           (long long)spec->channels, (long long)mhc__model_tokens(model),
           self->look.held_out ? "held-out" : "training", self->loss);
    if (mhc__copies_explain(model, mhc__states_spread(&self->probe.states), asked, &text) != MHC__NO_COPIES &&
        text.data)
        printf("\nNote: %s.\n", text.data);
    mhc__text_free(&text);
    if (spec->mapping != MHC_MAPPING_NONE) {
        MHC__TRY(print_sites(&self->probe, error));
        MHC__TRY(print_composite(&self->probe, error));
    }
    MHC__TRY(print_depths(&self->probe, error));
    MHC__TRY(print_gradients(&self->probe, error));
    return print_parts(self, error);
}

static mhc_status write_lines(const inspection *self, const char *path, mhc_error *error) {
    mhc__text text = {0};
    if (!path)
        return MHC_OK;
    mhc__probe_lines(&self->probe, self->look.trained.state.step, &text);
    mhc_status status = text.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", path)
                                    : mhc__write_file(path, text.data, text.length, error);
    mhc__text_free(&text);
    return status;
}

mhc_status mhc__print_probes(const char *path, const mhc__arguments *arguments, mhc_error *error) {
    inspection self = {0};
    mhc_status status = mhc__look_open(path, mhc__option_text(arguments, "data"), &self.look, error);
    if (status == MHC_OK)
        status = measure(&self, arguments, error);
    if (status == MHC_OK)
        status = write_lines(&self, mhc__option_text(arguments, "out"), error);
    if (status == MHC_OK)
        status = print_all(&self, mhc__option_integer(arguments, "tokens", 0), error);
    mhc__probe_free(&self.probe);
    mhc__look_close(&self.look);
    return status;
}

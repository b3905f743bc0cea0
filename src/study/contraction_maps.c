/* The maps by themselves: no model, random inputs for the part of the logits that depends on them. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"
#include "mhc/constraint.h"
#include "mhc/site.h"
#include "study/contraction.h"

enum { N = MHC__CONTRACTION_N, CHANNELS = 64, ROW = N * (N + 2), PLACE = 0x434f0100 };

#define PUBLISHED(name, preset, constraint, start, gap)                                                                \
    { name, MHC__MAPS_PUBLISHED, preset, MHC_CONSTRAINT_##constraint, MHC_INIT_##start, gap, 0 }
#define MATCHED(name, constraint)                                                                                      \
    { name, MHC__MAPS_MATCHED, "paper", MHC_CONSTRAINT_##constraint, MHC_INIT_HOME, 0, 0 }
#define LEAKY(name, beta)                                                                                              \
    { name, MHC__MAPS_LEAKY, "paper", MHC_CONSTRAINT_BIRKHOFF, MHC_INIT_ZEROS, 0, beta }
const mhc__contraction_map mhc__contraction_maps[MHC__CONTRACTION_MAPS] = {
    PUBLISHED("sinkhorn, gap 6", "paper", SINKHORN, HOME, 0),
    PUBLISHED("sinkhorn, gap 8", "paper", SINKHORN, HOME, 8),
    PUBLISHED("sinkhorn, gap 2", "paper", SINKHORN, HOME, 2),
    PUBLISHED("sinkhorn, zeros", "paper", SINKHORN, ZEROS, 0),
    PUBLISHED("permutations, -8", "mhc-lite", PERMUTATIONS, LITE, 0),
    PUBLISHED("none (HC), I", "hc", NONE, HC, 0),
    MATCHED("sinkhorn", SINKHORN),
    MATCHED("birkhoff", BIRKHOFF),
    MATCHED("permutations", PERMUTATIONS),
    MATCHED("circulant", CIRCULANT),
    MATCHED("kronecker", KRONECKER),
    MATCHED("row-stochastic", ROW_STOCHASTIC),
    MATCHED("spectral", SPECTRAL),
    MATCHED("rotation", ROTATION),
    MATCHED("orthogonal", ORTHOGONAL),
    MATCHED("identity", IDENTITY),
    LEAKY("leaky, beta 0.25", 0.25),
    LEAKY("leaky, beta 0.5", 0.5),
    LEAKY("leaky, beta 1", 1),
    LEAKY("leaky, beta 2", 2),
    LEAKY("leaky, beta 4", 4),
    LEAKY("birkhoff, no leak", 0),
};
const double mhc__contraction_spreads[MHC__CONTRACTION_SPREADS] = {0, 0.01, 1};

/* The mass at which the law leaves half of a difference, geometric mean over directions, after so many sites. */
static double mass_of_half(int sites) {
    return (N - 1) * log(2.0) / (N * (double)sites);
}

/* fn is drawn so that its product with normalised inputs has a standard deviation of 1. */
static mhc_status spec_of(const mhc__contraction_map *map, int sites, mhc_spec *spec, mhc_error *error) {
    MHC__TRY(mhc_spec_preset(spec, map->preset, N, CHANNELS, error));
    spec->constraint = map->constraint;
    spec->start = map->start;
    if (map->gap > 0)
        spec->off_diagonal = (float)mhc_off_diagonal_of_gap(N, map->gap);
    else if (map->group == MHC__MAPS_MATCHED && map->constraint != MHC_CONSTRAINT_IDENTITY)
        spec->off_diagonal = (float)mass_of_half(MHC__CONTRACTION_HALF);
    spec->leak = (float)fmin(1, map->beta / (2 * sites));
    spec->fn_start = (float)(1 / sqrt((double)CHANNELS * (spec->norm == MHC_NORM_FLAT ? N : 1)));
    return MHC_OK;
}

typedef struct stack {
    mhc_spec spec;
    mhc_site_sizes sizes;
    int64_t tokens;
    float *fn, *base, *scale, *x, *all; /* all: [sites][tokens][ROW] */
    const float **sites;
    char *workspace;
} stack;

static void stack_free(stack *s) {
    mhc__release(s->fn);
    mhc__release(s->base);
    mhc__release(s->scale);
    mhc__release(s->x);
    mhc__release(s->all);
    mhc__release(s->sites);
    mhc__release(s->workspace);
}

static mhc_status stack_allocate(stack *s, int sites, mhc_error *error) {
    const char *what = "a stack of mixing matrices";
    MHC__TRY(mhc_site_sizes_query(&s->spec, s->tokens, &s->sizes, error));
    MHC__TRY(MHC__ALLOCATE(s->fn, s->sizes.fn_rows * s->sizes.fn_columns, what, error));
    MHC__TRY(MHC__ALLOCATE(s->base, s->sizes.base, what, error));
    MHC__TRY(MHC__ALLOCATE(s->scale, s->sizes.scale, what, error));
    MHC__TRY(MHC__ALLOCATE(s->x, s->tokens * N * CHANNELS, what, error));
    MHC__TRY(MHC__ALLOCATE(s->all, sites * s->tokens * ROW, what, error));
    MHC__TRY(MHC__ALLOCATE(s->sites, sites, what, error));
    return MHC__ALLOCATE(s->workspace, (int64_t)s->sizes.workspace, what, error);
}

/* Each site has a draw of fn of its own; all see the same inputs. */
static mhc_status stack_fill(stack *s, int sites, double spread, const mhc__study_options *options, mhc_error *error) {
    mhc_context context = mhc_context_cpu(options->threads);
    const mhc_site_params params = {s->fn, s->base, s->scale};
    const mhc_rows none = {NULL, 0};
    mhc__normal_fill(options->seed, mhc__philox_place(PLACE, 0), 1.0f, s->x, s->tokens * N * CHANNELS);
    for (int site = 0; site < sites; site++) {
        float *coefficients = s->all + site * s->tokens * ROW;
        MHC__TRY(mhc_site_init(&s->spec, site, options->seed, &params, error));
        for (int k = 0; k < s->sizes.scale; k++)
            s->scale[k] = (float)spread;
        MHC__TRY(mhc_pre_forward(&context, &s->spec, &params, s->tokens, mhc_streams_of(s->x, N, CHANNELS), NULL,
                                 coefficients, NULL, none, s->workspace, s->sizes.workspace, error));
        s->sites[site] = coefficients;
    }
    return MHC_OK;
}

static mhc_status measure(const stack *s, int sites, int threads, mhc__contraction *contraction, mhc_error *error) {
    const mhc__mixing_source source = {sites, N, s->tokens, s->sites};
    const mhc__mixing_options options = {threads, 0, true};
    mhc__mixing mixing;
    MHC__TRY(mhc__mixing_measure(&source, &options, &mixing, error));
    mhc_status status = mhc__contraction_of(&mixing, contraction, error);
    mhc__mixing_free(&mixing);
    return status;
}

static mhc_status measure_map(mhc__contraction_study *study, int map, int depth, int spread, mhc_error *error) {
    int sites = study->depths[depth];
    double wide = mhc__contraction_spreads[spread];
    stack s = {.tokens = wide > 0 ? study->tokens : 1};
    mhc_status status = spec_of(&mhc__contraction_maps[map], sites, &s.spec, error);
    if (status == MHC_OK)
        status = stack_allocate(&s, sites, error);
    if (status == MHC_OK)
        status = stack_fill(&s, sites, wide, study->options, error);
    if (status == MHC_OK)
        status = measure(&s, sites, study->options->threads, &study->maps[map][depth][spread], error);
    stack_free(&s);
    return status;
}

mhc_status mhc__contraction_maps_measure(mhc__contraction_study *study, mhc_error *error) {
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        mhc__study_note(study->options, "maps alone: %s", mhc__contraction_maps[map].name);
        for (int depth = 0; depth < study->depth_count; depth++)
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
                MHC__TRY(mhc__study_stopped(study->options, error));
                MHC__TRY(measure_map(study, map, depth, spread, error));
            }
    }
    return MHC_OK;
}

/* ---- what a stack does ---- */

static double squared(double x) {
    return x * x;
}

mhc_status mhc__contraction_of(const mhc__mixing *mixing, mhc__contraction *c, mhc_error *error) {
    const int sites = mixing->sites, last = mixing->products - 1, directions = mixing->directions;
    const double n = mixing->streams;
    *c = (mhc__contraction){.sites = sites, .streams = mixing->streams, .on_differences = mixing->on_differences};
    MHC__TRY(MHC__ALLOCATE(c->survival, sites, "what is left of differences", error));
    for (int s = 0; s < sites; s++) {
        c->mass += n * mhc__mixing_site(mixing, s, MHC__OFF_DIAGONAL)->mean / sites;
        c->survival[s] = mixing->survival[s].mean;
    }
    c->mass_first = n * mhc__mixing_site(mixing, 0, MHC__OFF_DIAGONAL)->mean;
    c->total = mhc__mixing_whole(mixing, MHC__LOG_VOLUME)->mean;
    c->volume = c->total / sites;
    c->largest = directions ? mixing->spectrum[last * directions].mean : NAN;
    c->smallest = directions ? mixing->spectrum[last * directions + directions - 1].mean : NAN;
    c->smallest_low = directions ? mixing->spectrum[last * directions + directions - 1].low : NAN;
    c->forward_off = mhc__mixing_whole(mixing, MHC__RESIDUAL_ROWS)->high;
    c->backward_off = mhc__mixing_whole(mixing, MHC__RESIDUAL_COLUMNS)->high;
    c->rank = mhc__mixing_whole(mixing, MHC__EFFECTIVE_RANK)->mean;
    c->uniform_ten = sites >= 10 ? mixing->of_product[9 * MHC__MATRIX_METRICS + MHC__FROM_UNIFORM].mean : NAN;
    /* sum(P) = n where rows sum to 1, or columns: |P|^2 = 1 + |P - J|^2 */
    c->passed = mixing->on_differences ? (1 + squared(mhc__mixing_whole(mixing, MHC__FROM_UNIFORM)->mean)) / n
                                       : exp(2 * c->survival[last]);
    c->half_life = mixing->half_life[0].median;
    return MHC_OK;
}

void mhc__contraction_free(mhc__contraction *c) {
    mhc__release(c->survival);
    *c = (mhc__contraction){0};
}

double mhc__contraction_left(const mhc__contraction *c) {
    return c->sites ? c->survival[c->sites - 1] : NAN;
}

/* Streams and gradients by depth, against plain recomputation and models whose answer is known. */
#include "model/support.h"

#include "probe/copies.h"
#include "probe/gradient.h"
#include "probe/gradient_flow.h"
#include "probe/state.h"
#include "probe/stream_sums.h"
#include "probe/transport.h"
#include "random_matrices.h"

static int32_t tokens[BATCH * (SEQUENCE + 1)];

static mhc__model *passed(const mhc__model_config *config, bool shaken) {
    fill_tokens(tokens, BATCH * (SEQUENCE + 1));
    mhc__model *model = make(config, 1);
    if (shaken)
        shake(model);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    return model;
}

/* ---- sums ---- */

static void split_by_hand(void **state) {
    (void)state;
    const float x[6] = {1, 2, 3, -1, 2, 7}; /* two streams of three channels; mean (0, 2, 5) */
    mhc__split split = mhc__split_streams(x, 2, 3);
    assert_true(split.mean == 2 * (0 + 4 + 25) && split.differences == 1 + 4 + 1 + 4 && split.apart == 2);
    assert_true(mhc__squares(x, 6) == split.mean + split.differences);
    assert_true(mhc__inner(x, x + 3, 3) == -1 + 4 + 21);
    float copies[3 * 300];
    for (int k = 0; k < 900; k++)
        copies[k] = 0.1f * (float)(k % 300);
    split = mhc__split_streams(copies, 3, 300);
    assert_true(split.differences == 0 && split.apart == 0);
    copies[650] = NAN;
    split = mhc__split_streams(copies, 3, 300);
    assert_true(isnan(split.mean) && isnan(split.differences) && isnan(split.apart));
    copies[650] = INFINITY;
    split = mhc__split_streams(copies, 3, 300);
    assert_true(!(split.differences < INFINITY) && !(split.apart < INFINITY));
}

/* ---- streams ---- */

/* One point again in plain loops over all tokens. */
static void check_point(mhc__model *model, const mhc__states *states, int point) {
    const int n = 3, channels = 12, rows = BATCH * SEQUENCE;
    const float *x = mhc__model_streams(model, point).data;
    double mean_energy = 0, energy = 0, share = 0, cosine = 0, dominant = 0, norm = 0, of_mean = 0, apart = 0, all = 0;
    for (int t = 0; t < rows; t++) {
        double squares[3] = {0}, dots[3] = {0}, mean = 0, rest = 0;
        for (int c = 0; c < channels; c++) {
            double v[3], m = 0;
            for (int i = 0; i < n; i++) {
                v[i] = (double)x[(t * n + i) * channels + c];
                m += v[i] / n;
                squares[i] += v[i] * v[i];
            }
            mean += n * m * m;
            for (int i = 0; i < n; i++) {
                rest += (v[i] - m) * (v[i] - m);
                apart = fmax(apart, fabs(v[i] - m));
                dots[i] += v[i] * v[(i + 1) % n];
            }
        }
        mean_energy += mean / rows;
        energy += rest / rows;
        share += rest / (mean + rest) / rows;
        norm += sqrt((mean + rest) / n) / rows;
        of_mean += sqrt(mean / n) / rows;
        all += mean + rest;
        dominant += fmax(squares[0], fmax(squares[1], squares[2])) / (mean + rest) / rows;
        for (int i = 0; i < n; i++)
            cosine += dots[i] / sqrt(squares[i] * squares[(i + 1) % n]) / 3 / rows;
    }
    assert_near(mhc__state_at(states, point, MHC__STATE_ENERGY_MEAN), mean_energy, 1e-12 * mean_energy);
    assert_near(mhc__state_at(states, point, MHC__STATE_ENERGY_DIFFERENCES), energy, 1e-12 * mean_energy);
    assert_near(mhc__state_at(states, point, MHC__STATE_DIFFERENCE_SHARE), share, 1e-13);
    assert_near(mhc__state_at(states, point, MHC__STATE_COSINE), cosine, 1e-12);
    assert_near(mhc__state_at(states, point, MHC__STATE_DOMINANT_SHARE), dominant, 1e-13);
    assert_near(mhc__state_at(states, point, MHC__STATE_NORM), norm, 1e-12 * norm);
    assert_near(mhc__state_at(states, point, MHC__STATE_NORM_OF_MEAN), of_mean, 1e-12 * norm);
    assert_near(mhc__state_at(states, point, MHC__STATE_SPREAD), apart / sqrt(all / (rows * n * channels)), 1e-12);
}

static void states_against_loops(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = passed(&config, true);
    mhc__states states, threads, few;
    assert_int_equal(mhc__states_measure(model, 1, 0, &states, NULL), MHC_OK);
    assert_int_equal(mhc__states_measure(model, 3, 99, &threads, NULL), MHC_OK);
    assert_int_equal(mhc__states_measure(model, 2, 3, &few, NULL), MHC_OK);
    assert_true(states.points == 5 && states.tokens == BATCH * SEQUENCE && few.tokens == 3);
    assert_memory_equal(states.values, threads.values, 5 * MHC__STATE_METRICS * sizeof *states.values);
    assert_true(mhc__state_at(&few, 4, MHC__STATE_NORM) != mhc__state_at(&states, 4, MHC__STATE_NORM));
    for (int point = 0; point < 5; point++)
        check_point(model, &states, point);
    assert_near(mhc__state_at(&states, 0, MHC__STATE_COSINE), 1, 1e-14); /* copies enter */
    assert_near(mhc__state_at(&states, 0, MHC__STATE_EFFECTIVE_RANK), 1, 1e-12);
    assert_true(mhc__state_at(&states, 0, MHC__STATE_DIFFERENCE_SHARE) == 0);
    assert_true(mhc__state_at(&states, 4, MHC__STATE_EFFECTIVE_RANK) > 1.0001);
    double squares = 0;
    for (int i = 0; i < 3; i++)
        squares += states.norms[4 * 3 + i] * states.norms[4 * 3 + i] / 3;
    assert_near(sqrt(squares), mhc__state_at(&states, 4, MHC__STATE_NORM), 0.1 * sqrt(squares));
    mhc__states_free(&states);
    mhc__states_free(&threads);
    mhc__states_free(&few);
    mhc__model_destroy(model);
}

/* Streams written by hand into the state before contraction: orthogonal of lengths 3, 3, 0, then two opposite ones. */
static void known_streams(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = passed(&config, true);
    float *x = mhc__model_streams(model, 4).data;
    memset(x, 0, BATCH * SEQUENCE * 36 * sizeof *x);
    for (int t = 0; t < BATCH * SEQUENCE; t++)
        x[t * 36 + t] = x[t * 36 + 12 + (t + 1) % 12] = 3;
    mhc__states states;
    assert_int_equal(mhc__states_measure(model, 2, 0, &states, NULL), MHC_OK);
    assert_near(mhc__state_at(&states, 4, MHC__STATE_EFFECTIVE_RANK), 2, 1e-14);
    assert_near(mhc__state_at(&states, 4, MHC__STATE_PARTICIPATION), 2, 1e-14);
    assert_near(mhc__state_at(&states, 4, MHC__STATE_DOMINANT_SHARE), 0.5, 1e-15);
    assert_true(mhc__state_at(&states, 4, MHC__STATE_COSINE) == 0);
    assert_near(mhc__state_at(&states, 4, MHC__STATE_NORM), sqrt(6), 1e-14);
    assert_near(mhc__state_at(&states, 4, MHC__STATE_ENERGY_MEAN), 6, 1e-14); /* 3 |(1, 1, 0 ...)|^2 */
    assert_near(mhc__state_at(&states, 4, MHC__STATE_DIFFERENCE_SHARE), 2.0 / 3, 1e-14);
    assert_true(states.norms[12] == 3 && states.norms[13] == 3 && states.norms[14] == 0);
    mhc__states_free(&states);
    x[7] = NAN;
    assert_int_equal(mhc__states_measure(model, 2, 0, &states, NULL), MHC_OK);
    for (int m = 0; m < MHC__STATE_METRICS; m++)
        assert_true(isnan(mhc__state_at(&states, 4, (mhc__state_metric)m)));
    assert_false(isnan(mhc__state_at(&states, 3, MHC__STATE_NORM)));
    mhc__states_free(&states);
    mhc__model_destroy(model);
}

/* The same numbers where streams are computed again. */
static void recomputed_streams(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = passed(&config, true);
    mhc__states kept, made_again;
    assert_int_equal(mhc__states_measure(model, 2, 0, &kept, NULL), MHC_OK);
    mhc__pass pass = training(tokens);
    pass.recompute = 2;
    gradients_of(model, &pass, 2);
    assert_int_equal(mhc__states_measure(model, 2, 0, &made_again, NULL), MHC_OK);
    assert_memory_equal(kept.values, made_again.values, 5 * MHC__STATE_METRICS * sizeof *kept.values);
    mhc__states_free(&kept);
    mhc__states_free(&made_again);
    mhc__model_destroy(model);
}

/* ---- transport ---- */

/* The differences at site `from` of one token, multiplied by the matrices one by one; their energy at the end. */
static double carried(mhc__model *model, int from, int token, double *before) {
    const int n = 3, channels = 12, sites = mhc__model_sites(model);
    const float *x = (const float *)mhc__model_streams(model, from).data + token * n * channels;
    double left = 0;
    *before = 0;
    for (int c = 0; c < channels; c++) {
        double v[3], w[3], mean = 0;
        for (int i = 0; i < n; i++)
            mean += (double)x[i * channels + c] / n;
        for (int i = 0; i < n; i++) {
            v[i] = (double)x[i * channels + c] - mean;
            *before += v[i] * v[i];
        }
        for (int site = from; site < sites; site++) {
            const float *h = mhc__model_coefficients(model, site) + token * 15 + 6;
            for (int i = 0; i < n; i++)
                w[i] = (double)h[i * 3] * v[0] + (double)h[i * 3 + 1] * v[1] + (double)h[i * 3 + 2] * v[2];
            memcpy(v, w, sizeof v);
        }
        mean = (v[0] + v[1] + v[2]) / 3;
        for (int i = 0; i < n; i++)
            left += (v[i] - mean) * (v[i] - mean);
    }
    return left;
}

static void transport_against_products(void **state) {
    (void)state;
    static const char *const connections[] = {"paper", "hc"}; /* differences among themselves, and not */
    for (int c = 0; c < 2; c++) {
        mhc__model_config config = small(connections[c]);
        mhc__model *model = passed(&config, true);
        mhc__mixing_options options = {2, 0, true};
        mhc__mixing mixing;
        mhc__transport transport, threads;
        assert_int_equal(mhc__mixing_of_model(model, &options, &mixing, NULL), MHC_OK);
        assert_true(mixing.on_differences == (c == 0));
        assert_int_equal(mhc__transport_measure(model, &mixing, 1, 1, &transport, NULL), MHC_OK);
        assert_int_equal(mhc__transport_measure(model, &mixing, 1, 3, &threads, NULL), MHC_OK);
        assert_true(transport.points == 4 && transport.tokens == BATCH * SEQUENCE);
        double mean = 0;
        for (int t = 0; t < BATCH * SEQUENCE; t++) {
            double before, left = carried(model, 1, t, &before);
            mean += log(left / before) / (BATCH * SEQUENCE);
        }
        assert_near(transport.kept[3].mean, mean, 1e-6);
        assert_near(transport.kept[0].low, 0, 1e-12);
        assert_near(transport.share[0], 1, 1e-12);
        assert_memory_equal(transport.kept, threads.kept, 4 * sizeof *threads.kept);
        assert_memory_equal(transport.share, threads.share, 4 * sizeof *threads.share);
        mhc__transport_free(&transport);
        /* Copies have no differences; and one site too many. */
        assert_int_equal(mhc__transport_measure(model, &mixing, 0, 1, &transport, NULL), MHC_OK);
        assert_true(isnan(transport.kept[4].mean) && isnan(transport.share[4]));
        mhc__transport_free(&transport);
        assert_int_equal(mhc__transport_measure(model, &mixing, 5, 1, &transport, NULL), MHC_INVALID_ARGUMENT);
        mhc__transport_free(&threads);
        mhc__mixing_free(&mixing);
        mhc__model_destroy(model);
    }
}

/* Without mixing all differences stay; with 1/n none do. One stream has none. */
static void transport_known(void **state) {
    (void)state;
    static const struct {
        const char *connection;
        int constraint;
        double kept;
    } known[] = {{"paper", MHC_CONSTRAINT_IDENTITY + 1, 0}, {"residual", 0, NAN}};
    for (int k = 0; k < 2; k++) {
        mhc__model_config config = small(known[k].connection);
        config.constraint = known[k].constraint;
        mhc__model *model = passed(&config, true);
        mhc__mixing_options options = {1, 4, false};
        mhc__mixing mixing;
        mhc__transport transport;
        assert_int_equal(mhc__mixing_of_model(model, &options, &mixing, NULL), MHC_OK);
        assert_int_equal(mhc__transport_measure(model, &mixing, 1, 1, &transport, NULL), MHC_OK);
        double kept = transport.kept[3].mean;
        assert_true(isnan(known[k].kept) ? isnan(kept) : fabs(kept) < 1e-12);
        mhc__transport_free(&transport);
        mhc__mixing_free(&mixing);
        mhc__model_destroy(model);
    }
}

/* ---- copies ---- */

static void explained(const char *connection, bool shaken, double spread, const char *expected) {
    mhc__model_config config = small(connection);
    mhc__model *model = passed(&config, shaken);
    mhc__text text = {0};
    mhc__copies found = mhc__copies_explain(model, spread, 0, &text);
    assert_true((found == MHC__NO_COPIES) == (expected == NULL) && (text.data != NULL) == (expected != NULL));
    assert_true((found == MHC__COPIES_FOR_GOOD) == (expected && strstr(expected, "can't")));
    if (expected && !strstr(text.data, expected))
        fail_msg("%s: found \"%s\", expected \"%s\"", connection, text.data, expected);
    mhc__text_free(&text);
    mhc__model_destroy(model);
}

static void copies(void **state) {
    (void)state;
    explained("reproducing-mhc", false, 0, "so that training can't");
    explained("hc-static", false, 1e-7, "so that training can't"); /* pre 1/n, post 1, res I */
    explained("paper", true, 1e-7, "is lost beside the streams");
    explained("paper", true, 1e-4, NULL);
    explained("paper", true, NAN, NULL);
    explained("residual", false, 0, NULL);
    /* One H_pre that reads a single stream: its gradient comes back through that one alone. */
    mhc__model_config config = small("hc-static");
    mhc__model *model = make(&config, 1);
    const mhc__parameter *base = mhc__model_parameter_find(model, "blocks.1.ffn.hc.base");
    memcpy(mhc__model_weights(model) + base->offset, (const float[3]){0, 1, 0}, 3 * sizeof(float));
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    mhc__text text = {0};
    assert_int_equal(mhc__copies_explain(model, 0, 0, &text), MHC__COPIES_FOR_NOW);
    assert_non_null(strstr(text.data, "so that training can"));
    assert_null(strstr(text.data, "can't"));
    mhc__text_free(&text);
    mhc__model_destroy(model);
}

/* ---- gradients ---- */

static double squares_of(mhc__model *model, const char *prefix, bool connection) {
    double sum = 0;
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        if (strncmp(p->name, prefix, strlen(prefix)) != 0 || (strstr(p->name, ".hc.") != NULL) != connection)
            continue;
        for (int64_t k = 0; k < p->count; k++) {
            double g = (double)mhc__model_gradients(model)[p->offset + k];
            sum += g * g;
        }
    }
    return sum;
}

static void check_gradients(const char *connection, mhc__wrap wrap) {
    mhc__model_config config = small(connection);
    config.wrap = wrap;
    mhc__model *model = passed(&config, true);
    mhc__gradients gradients;
    assert_int_equal(mhc__gradients_measure(model, 2, &gradients, NULL), MHC_OK);
    bool blocks = mhc__model_sites(model) == 2;
    double connections = 0;
    for (int site = 0; site < gradients.sites; site++) {
        char prefix[32];
        if (blocks)
            snprintf(prefix, sizeof prefix, "blocks.%d.", site);
        else
            snprintf(prefix, sizeof prefix, "blocks.%d.%s.", site / 2, site % 2 ? "ffn" : "attn");
        double layer = sqrt(squares_of(model, prefix, false)), of_connection = squares_of(model, prefix, true);
        assert_true(layer > 0);
        assert_near(gradients.layer[site], layer, 1e-12 * layer);
        assert_near(gradients.connection[site], sqrt(of_connection), 1e-12);
        connections += of_connection;
    }
    double all = squares_of(model, "", false) + squares_of(model, "", true);
    double first = sqrt(squares_of(model, "blocks.0.", false)), last = sqrt(squares_of(model, "blocks.1.", false));
    assert_near(gradients.all, sqrt(all), 1e-12 * sqrt(all));
    assert_near(gradients.connection_share, connections / all, 1e-12);
    assert_near(gradients.stratification, last / first, 1e-12 * last / first);
    assert_int_equal(gradients.blocks, 2);
    mhc__gradients_free(&gradients);
    mhc__model_destroy(model);
}

static void gradients_by_layer(void **state) {
    (void)state;
    check_gradients("paper", MHC__WRAP_SUBLAYER);
    check_gradients("mhc-poc", MHC__WRAP_BLOCK);
    check_gradients("residual", MHC__WRAP_BLOCK);
}

/* A bag's layers are its blocks, with connection or without. */
static void gradients_of_a_bag(void **state) {
    (void)state;
    const char *connections[] = {"boolq-100", "residual"};
    for (int c = 0; c < 2; c++) {
        mhc__model_config config = small(connections[c]);
        config.family = MHC__FAMILY_BAG;
        config.norm = MHC__NORM_NONE;
        config.embedding = 5;
        config.classes = 3;
        config.blocks = 3;
        config.streams = c ? 1 : 3;
        int32_t rows[BATCH * (SEQUENCE + 1)];
        fill_tokens(rows, BATCH * (SEQUENCE + 1));
        for (int row = 0; row < BATCH; row++)
            rows[row * (SEQUENCE + 1) + SEQUENCE] = row;
        mhc__model *model = make(&config, 1);
        mhc__pass pass = training(rows);
        gradients_of(model, &pass, 2);
        mhc__gradients gradients;
        mhc__states states;
        assert_int_equal(mhc__gradients_measure(model, 2, &gradients, NULL), MHC_OK);
        assert_int_equal(mhc__states_measure(model, 2, 0, &states, NULL), MHC_OK);
        assert_true(gradients.sites == 3 && gradients.blocks == 3 && states.points == 4 && states.tokens == BATCH);
        for (int site = 0; site < 3; site++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "blocks.%d.", site);
            double layer = sqrt(squares_of(model, prefix, false));
            assert_near(gradients.layer[site], layer, 1e-12 * layer);
            assert_true(gradients.block[site] == gradients.layer[site] &&
                        isnan(gradients.mixer_ratio[site]) == (c == 1));
        }
        mhc__gradients_free(&gradients);
        mhc__states_free(&states);
        mhc__model_destroy(model);
    }
}

static void mixers_that_are_dead(void **state) {
    (void)state;
    mhc__gradients gradients;
    mhc__model_config config = small("reproducing-mhc");
    mhc__model *model = passed(&config, false);
    assert_int_equal(mhc__gradients_measure(model, 2, &gradients, NULL), MHC_OK);
    assert_int_equal(gradients.dead_mixers, 4); /* the symmetric start gives exactly 0 */
    mhc__gradients_free(&gradients);
    shake(model);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    assert_int_equal(mhc__gradients_measure(model, 2, &gradients, NULL), MHC_OK);
    /* What enters the first site are copies, and what leaves the last one is their mean, which no H with column sums of
     * 1 changes. */
    assert_true(gradients.dead_mixers == 1 && gradients.mixer_ratio[2] > 1e-3 && gradients.mixer_ratio[3] < 1e-6);
    mhc__gradients_free(&gradients);
    /* by hand: base of site 2 is pre [3], post [3], res [9] */
    const mhc__parameter *base = mhc__model_parameter_find(model, "blocks.1.attn.hc.base");
    float *g = mhc__model_gradients(model) + base->offset;
    for (int k = 0; k < 15; k++)
        g[k] = k < 3 ? 2.0f : k < 6 ? 100.0f : k == 6 ? 3.0f : 0.0f;
    assert_int_equal(mhc__gradients_measure(model, 2, &gradients, NULL), MHC_OK);
    assert_near(gradients.mixer_ratio[2], 0.5, 1e-15); /* sqrt(9 / 9) / 2 */
    mhc__gradients_free(&gradients);
    g[6] = NAN;
    assert_int_equal(mhc__gradients_measure(model, 2, &gradients, NULL), MHC_OK);
    assert_true(isnan(gradients.mixer_ratio[2]) && isnan(gradients.all) && !isnan(gradients.layer[2]));
    mhc__gradients_free(&gradients);
    mhc__model_destroy(model);
}

/* n equal gradients are all mean; the split adds up; a sample is another number, and a pause none. */
static void gradient_split(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = passed(&config, true);
    mhc__pass pass = training(tokens);
    mhc__gradient_flow flow;
    assert_int_equal(mhc__gradient_flow_start(&flow, model, 2, NULL), MHC_OK);
    gradients_of(model, &pass, 2);
    double kept[5];
    for (int s = 0; s <= 4; s++) {
        double squares = flow.of_mean[s] * flow.of_mean[s] + flow.of_differences[s] * flow.of_differences[s];
        assert_near(squares, flow.norm[s] * flow.norm[s], 1e-12 * squares);
        kept[s] = flow.norm[s];
    }
    assert_true(flow.of_differences[4] < 1e-6 * flow.norm[4]); /* contraction by the mean */
    assert_true(flow.of_differences[0] > 1e-3 * flow.norm[0]);
    flow.tokens = 4;
    gradients_of(model, &pass, 2);
    assert_true(flow.norm[2] != kept[2] && flow.norm[2] > 0.1 * kept[2] && flow.norm[2] < 10 * kept[2]);
    flow.tokens = 0;
    flow.paused = true;
    flow.norm[2] = -1;
    gradients_of(model, &pass, 2);
    assert_true(flow.norm[2] == -1);
    mhc__gradient_flow_stop(&flow);
    mhc__model_destroy(model);
}

static void need_a_pass(void **state) {
    (void)state;
    mhc__model_config config = small("paper");
    mhc__model *model = make(&config, 1);
    mhc__states states;
    assert_int_equal(mhc__states_measure(model, 2, 0, &states, NULL), MHC_INVALID_ARGUMENT);
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_by_hand),
        cmocka_unit_test(states_against_loops),
        cmocka_unit_test(known_streams),
        cmocka_unit_test(recomputed_streams),
        cmocka_unit_test(transport_against_products),
        cmocka_unit_test(transport_known),
        cmocka_unit_test(copies),
        cmocka_unit_test(gradients_by_layer),
        cmocka_unit_test(gradients_of_a_bag),
        cmocka_unit_test(mixers_that_are_dead),
        cmocka_unit_test(gradient_split),
        cmocka_unit_test(need_a_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

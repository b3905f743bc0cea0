/* Bytes moved, counted by hand. */
#include "model/support.h"

#include "probe/traffic.h"
#include "random_matrices.h"

static void traffic(const mhc__model_config *config, int64_t rows, double *bytes) {
    mhc__model *model = make(config, 1);
    mhc__traffic_of(model, rows, bytes);
    mhc__model_destroy(model);
}

/* arXiv 2512.24880 eq. 3 fused: a seam is (n + 1) C read and (n + 1) C written for each token. */
static void of_connections(void **state) {
    (void)state;
    mhc__model_config config =
        small("reproducing-mhc"); /* 4 sites, 3 streams of 12 channels, static: 15 coefficients */
    config.streams = 3;
    const double t = 10, row = 12 * t, seam = 8 * row + 30;
    double bytes[MHC__TRAFFIC_PARTS];
    traffic(&config, 10, bytes);
    double expand = 4 * row, pre = 4 * row + 15, merge = 7 * row + 15, contract = 4 * row;
    assert_near(bytes[MHC__TRAFFIC_FORWARD_CONNECTIONS], 4 * (expand + pre + 3 * seam + merge + contract), 1e-9);
    /* pre: dX', X, du and the coefficients and their gradient in, dX out; merge: dX', X, z in, dz out. */
    double pre_back = 10 * row + 30, merge_back = 8 * row + 30, seam_back = pre_back + merge_back - 3 * row;
    assert_near(bytes[MHC__TRAFFIC_BACKWARD_CONNECTIONS],
                4 * (contract + merge_back + 3 * seam_back + pre_back + expand), 1e-9);
    config = small("paper"); /* dynamic: coefficients for each token, and fn [15, 36] */
    double dynamic[MHC__TRAFFIC_PARTS];
    traffic(&config, 10, dynamic);
    assert_near(dynamic[MHC__TRAFFIC_FORWARD_CONNECTIONS] - bytes[MHC__TRAFFIC_FORWARD_CONNECTIONS],
                4 * (8 * 15 * (t - 1) + 4 * 15 * 36), 1e-9);
    assert_near(dynamic[MHC__TRAFFIC_FORWARD_LAYERS], bytes[MHC__TRAFFIC_FORWARD_LAYERS], 0);
    config = small("residual");
    traffic(&config, 10, bytes);
    assert_near(bytes[MHC__TRAFFIC_FORWARD_CONNECTIONS], 4 * 4 * 3 * row, 1e-9);
    assert_near(bytes[MHC__TRAFFIC_BACKWARD_CONNECTIONS], 4 * 4 * 3 * row, 1e-9);
    assert_near(bytes[MHC__TRAFFIC_FORWARD_LAYERS], dynamic[MHC__TRAFFIC_FORWARD_LAYERS], 0);
}

static void of_layers(void **state) {
    (void)state;
    mhc__model_config config = small("residual"); /* 2 blocks, C 12, F 20 */
    const double t = 10;
    double bytes[MHC__TRAFFIC_PARTS], more[MHC__TRAFFIC_PARTS];
    traffic(&config, 10, bytes);
    double products = t * (12 + 36) + 12 * 36 + t * 24 + 144 + t * 32 + 240 + t * 32 + 240;
    assert_near(bytes[MHC__TRAFFIC_FORWARD_LAYERS], 4 * 2 * (products + t * (4 * 12 + 36 + 12 + 40)), 1e-9);
    double back = 2 * t * (48 + 24 + 32 + 32) + 3 * (432 + 144 + 240 + 240);
    assert_near(bytes[MHC__TRAFFIC_BACKWARD_LAYERS], 4 * 2 * (back + t * (6 * 12 + 2 * 36 + 2 * 12 + 60)), 1e-9);
    assert_near(bytes[MHC__TRAFFIC_HEAD], 4 * (10 * 12 * t + t * 23 + 132 + 2 * t * 11 + 2 * t * 23 + 3 * 132), 1e-9);
    mhc__model *model = make(&config, 1);
    assert_near(bytes[MHC__TRAFFIC_UPDATE], 36.0 * (double)mhc__model_parameters_total(model), 1e-9);
    mhc__model_destroy(model);
    config.dropout_output = 0.1f; /* in place, on both branches */
    traffic(&config, 10, more);
    assert_near(more[MHC__TRAFFIC_FORWARD_LAYERS] - bytes[MHC__TRAFFIC_FORWARD_LAYERS], 4 * 2 * 4 * 12 * t, 1e-9);
    config = small("mhc-poc"); /* two residuals inside of each block, and half the sites */
    traffic(&config, 10, bytes);
    config.wrap = MHC__WRAP_BLOCK;
    traffic(&config, 10, more);
    assert_near(more[MHC__TRAFFIC_BACKWARD_LAYERS] - bytes[MHC__TRAFFIC_BACKWARD_LAYERS], 4 * 2 * 6 * 12 * t, 1e-9);
    assert_true(more[MHC__TRAFFIC_FORWARD_CONNECTIONS] < 0.7 * bytes[MHC__TRAFFIC_FORWARD_CONNECTIONS]);
    config = small("paper");
    config.family = MHC__FAMILY_BAG;
    config.classes = 2;
    traffic(&config, 10, bytes);
    assert_true(bytes[MHC__TRAFFIC_FORWARD_LAYERS] == 0 && bytes[MHC__TRAFFIC_UPDATE] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_connections), cmocka_unit_test(of_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

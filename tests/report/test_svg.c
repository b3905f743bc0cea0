/* gnuplot's pictures as parts of a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/plot.h"
#include "report/svg.h"
#include "scratch.h"

static const char PICTURE[] =
    "<?xml version=\"1.0\" encoding=\"utf-8\"  standalone=\"no\"?>\n<svg \n viewBox=\"0 0 1000 440\"\n"
    " xmlns=\"http://www.w3.org/2000/svg\"\n>\n\n<title>Gnuplot</title>\n<g id=\"gnuplot_canvas\">\n\n"
    "<rect x=\"0\" y=\"0\" width=\"1000\" height=\"440\" fill=\"#ffffff\"/>\n<defs>\n\n\t<circle id='gpDot' r='0.5'/>\n"
    "</defs>\n"
    "<g fill=\"none\" color=\"black\" stroke=\"currentColor\">\n</g>\n"
    "<g fill=\"none\" color=\"gray\">\n\t<path stroke='rgb(210, 214, 218)'  d='M1,2'/></g>\n"
    "<g id=\"gnuplot_plot_1\" ><title>a</title>\n<path stroke='rgb( 46, 204, 113)' d='M3,4'/>\n"
    "<g fill=\"rgb(51,51,51)\" font-family=\"Sans\" font-size=\"13\">\n<text>rgb(51,51,51)</text></g></g>\n"
    "<g id=\"gnuplot_plot_2a\" ><title>gnuplot_plot_2a</title>\n<path stroke='rgb(1, 2, 3)' d='M5,6'/></g>\n"
    "</g>\n</svg>\n";

static void write_picture(const char *text) {
    assert_int_equal(mhc__write_file(scratch_path("curve.svg"), text, strlen(text), NULL), MHC_OK);
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("expected %s in\n%s", part, text);
}

static void test_panels_and_colours(void **state) {
    (void)state;
    write_picture(PICTURE);
    mhc__text out = {0};
    assert_int_equal(mhc__svg_inline(scratch_folder, "curve", 2, 1, 2, true, "two \"curves\"", &out, NULL), MHC_OK);
    assert_has(out.data, "aria-label=\"two &quot;curves&quot;\"");
    assert_has(out.data, "<svg viewBox=\"0 0 500 440\"><defs>");
    assert_has(out.data, "<svg viewBox=\"500 0 500 440\"><use href=\"#plot-curve\"/></svg>");
    assert_has(out.data, "stroke='var(--plot-1)'");
    assert_has(out.data, "stroke='var(--plot-grid)'");
    assert_has(out.data, "fill=\"var(--plot-text)\"");
    assert_has(out.data, "color=\"var(--plot-grid)\"");
    assert_has(out.data, "stroke='rgb(1, 2, 3)'"); /* not of a style: its own in any theme */
    assert_has(out.data, "<text>rgb(51,51,51)</text>");
    assert_has(out.data, "<title>a</title>");
    const char *gone[] = {"#ffffff", "gnuplot_plot", "font-family",
                          "http",    "id=\"gnuplot", "<g fill=\"none\" color=\"black\""};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
        if (strstr(out.data, gone[i]))
            fail_msg("expected no %s in\n%s", gone[i], out.data);
    mhc__text_free(&out);
    /* of a second picture: the symbols are there already */
    assert_int_equal(mhc__svg_inline(scratch_folder, "curve", 1, 1, 1, false, "", &out, NULL), MHC_OK);
    assert_null(strstr(out.data, "<defs>"));
    mhc__text_free(&out);
    /* a grid of four, of which three are drawn */
    assert_int_equal(mhc__svg_inline(scratch_folder, "curve", 2, 2, 3, false, "", &out, NULL), MHC_OK);
    assert_has(out.data, "<svg viewBox=\"0 220 500 220\">");
    assert_null(strstr(out.data, "<svg viewBox=\"500 220 500 220\">"));
    mhc__text_free(&out);
    assert_int_equal(mhc__svg_inline(scratch_folder, "curve", 1, 1, 1, false, "", &out, NULL), MHC_OK);
    assert_null(strstr(out.data, "<use"));
    mhc__text_free(&out);
}

static void test_not_a_picture(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "<svg",
        "<svg viewBox=\"0 0 10 10\"><defs></defs></svg>",
        "<svg viewBox=\"0 0 10 10\"><defs></defs>",
        "<svg viewBox=\"0 0 10 10\"></defs><g id=\"gnuplot_canvas\"></svg><defs>",
        "<svg viewBox=\"0 0 -1 10\"><defs></defs></svg>",
        "<svg viewBox=\"0 0 10 10\"><g id=\"gnuplot_canvas\"><defs></defs><script>1</script></svg>"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_picture(texts[i]);
        mhc__text out = {0};
        mhc_error error = {0};
        assert_int_equal(mhc__svg_inline(scratch_folder, "curve", 1, 1, 1, true, "", &out, &error), MHC_CORRUPT);
        assert_non_null(strstr(error.message, "curve.svg"));
        assert_null(out.data);
    }
    mhc__text out = {0};
    assert_int_equal(mhc__svg_inline(scratch_folder, "absent", 1, 1, 1, true, "", &out, NULL), MHC_IO);
}

/* What the gnuplot that is here writes is still of the form that is expected. */
static void test_of_gnuplot(void **state) {
    (void)state;
    if (mhc__plot_available(NULL) != MHC_OK) {
        print_message("gnuplot is not installed: its pictures are not tested\n");
        skip();
    }
    mhc_error error = {0};
    if (mhc__plot(scratch_folder, "drawn", "x\ty\n0\t1\n1\t3\n",
                  "plot 'drawn.tsv' using 1:2 skip 1 with linespoints ls 2 "
                  "title \"two\"\n",
                  640, 400, &error) != MHC_OK)
        fail_msg("%s", error.message);
    mhc__text out = {0};
    assert_int_equal(mhc__svg_inline(scratch_folder, "drawn", 1, 1, 1, true, "", &out, &error), MHC_OK);
    assert_has(out.data, "var(--plot-2)");
    assert_has(out.data, "var(--plot-text)");
    assert_has(out.data, "var(--plot-border)");
    assert_has(out.data, "<title>two</title>");
    assert_null(strstr(out.data, "#ffffff"));
    assert_null(strstr(out.data, "231"));
    mhc__text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_panels_and_colours),
        cmocka_unit_test(test_not_a_picture),
        cmocka_unit_test(test_of_gnuplot),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/html.h"
#include "scratch.h"

static void test_escape(void **state) {
    (void)state;
    mhc__text text = {0};
    mhc__html_escape(&text, "<a href=\"x\">&'");
    assert_string_equal(text.data, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    mhc__text_free(&text);
}

static void test_inline_markup(void **state) {
    (void)state;
    mhc__html html = {0};
    mhc__html_paragraph(&html, "run `mhc <x>`, **now**: 2 * 3 and a lone ` and ** stay, %d%%", 5);
    assert_string_equal(html.text.data,
                        "<p>run <code>mhc &lt;x&gt;</code>, <strong>now</strong>: 2 * 3 and a lone ` and "
                        "** stay, 5%</p>\n");
    mhc__html_free(&html);
}

/* A line must not end inside a number, nor between one and its percent sign. */
static void test_numbers_stay_whole(void **state) {
    (void)state;
    mhc__text text = {0};
    mhc__html_inline(&text, "1.5e-04 and -2e-7, 62 % of `3e-4`, x1e-3, 5e+3, 1e-x, a % b");
    assert_string_equal(text.data, "<span class=\"one\">1.5e-04</span> and -<span class=\"one\">2e-7</span>, "
                                   "62&nbsp;% of <code>3e-4</code>, x1e-3, 5e+3, 1e-x, a % b");
    mhc__text_free(&text);
}

/* Every element that is opened is closed, in order. Void elements of the pages we build: meta and the doctype; in
 * pictures "<x/>". */
static void assert_well_formed(const char *page) {
    char open[64][16];
    int depth = 0;
    const char *end = strstr(page, "<style>");
    for (const char *c = page; (c = strchr(c, '<')); c++) {
        if (end && c > end && c < strstr(page, "</style>"))
            continue;
        bool closing = c[1] == '/';
        char name[16] = "";
        sscanf(c + 1 + closing, "%15[a-zA-Z0-9!]", name);
        assert_true(name[0] != '\0');
        if (!strcmp(name, "meta") || name[0] == '!')
            continue;
        if (!closing && strchr(c, '>')[-1] == '/')
            continue;
        if (!closing) {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
            continue;
        }
        assert_true(depth > 0);
        assert_string_equal(open[--depth], name);
    }
    assert_int_equal(depth, 0);
}

static void test_page(void **state) {
    (void)state;
    mhc__html html;
    mhc__html_start(&html, "Title & <more>", "What `it` is");
    mhc__html_section(&html, "First");
    mhc__html_paragraph(&html, "text");
    mhc__html_note(&html, "mind **this**");
    mhc__table table;
    mhc__table_start(&table, "Model|Loss");
    mhc__table_cell(&table, "<script>alert(1)</script>");
    mhc__table_number(&table, 2);
    mhc__html_table(&html, &table, "caption");
    mhc__table_free(&table);
    mhc__html_section(&html, "Second");
    mhc__html_list_start(&html);
    mhc__html_item(&html, "one");
    mhc__html_list_end(&html);
    mhc__html_code(&html, "a < b\n");
    static const char picture[] =
        "<svg viewBox=\"0 0 10 10\"><g id=\"gnuplot_canvas\"><defs></defs><path d='M1,1'/></g></svg>";
    mhc_error error = {0};
    assert_int_equal(mhc__write_file(scratch_path("gain.svg"), picture, strlen(picture), &error), MHC_OK);
    assert_int_equal(mhc__html_figure(&html, scratch_folder, "gain", 1, 2, 2, "a \"quoted\" caption", &error), MHC_OK);
    assert_int_equal(mhc__html_figure(&html, scratch_folder, "absent", 1, 1, 1, "", &error), MHC_IO);
    mhc__html_no_figure(&html, "other", "gnuplot is absent");
    mhc__table facts;
    mhc__table_start(&facts, "What|Value");
    mhc__table_cell(&facts, "Machine");
    mhc__table_cell(&facts, "a <fast> one");
    mhc__html_facts(&html, &facts);
    mhc__table_free(&facts);
    assert_int_equal(mhc__html_write(&html, scratch_folder, &error), MHC_OK);
    char *page;
    size_t size;
    assert_int_equal(mhc__read_file(scratch_path("index.html"), &page, &size, &error), MHC_OK);
    assert_well_formed(page);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "http"));
    assert_null(strstr(page, "<img"));
    assert_non_null(strstr(page, ".plot image{image-rendering:pixelated}"));
    assert_null(strstr(page, "url("));
    assert_non_null(strstr(page, "<title>Title &amp; &lt;more&gt;</title>"));
    assert_non_null(strstr(page, "aria-label=\"a &quot;quoted&quot; caption\""));
    assert_non_null(strstr(page, "<td class=\"n\">2</td>"));
    assert_non_null(strstr(page, "<path d='M1,1'/>"));
    assert_non_null(strstr(page, "<a href=\"#s2\">Second</a>"));
    assert_non_null(strstr(page, "<dt>Machine</dt><dd>a &lt;fast&gt; one</dd>"));
    assert_non_null(strstr(page, "--plot-1:#2ecc71;"));
    assert_non_null(strstr(page, "prefers-color-scheme:dark"));
    free(page);
}

static void test_markdown(void **state) {
    (void)state;
    mhc__html html;
    mhc__html_start(&html, "Title", "What `it` is");
    mhc__html_section(&html, "First");
    mhc__html_paragraph(&html, "a < b, `c | <d>` and **e**");
    mhc__html_note(&html, "mind this");
    mhc__html_list_start(&html);
    mhc__html_item(&html, "one");
    mhc__html_item(&html, "two");
    mhc__html_list_end(&html);
    mhc__html_code(&html, "mhc help");
    mhc__html_no_figure(&html, "gain", "no gnuplot");
    mhc_error error = {0};
    assert_int_equal(mhc__html_write(&html, scratch_folder, &error), MHC_OK);
    char *text;
    size_t size;
    assert_int_equal(mhc__read_file(scratch_path("report.md"), &text, &size, &error), MHC_OK);
    assert_string_equal(text, "# Title\n\nWhat `it` is\n\n## First\n\na \\< b, `c | <d>` and **e**\n\n> mind this\n\n"
                              "1. one\n2. two\n\n```\nmhc help\n```\n\n> The picture `gain` is not drawn: no gnuplot. "
                              "[data](gain.tsv) · [script](gain.gp)\n\n");
    free(text);
}

static void test_unwritable(void **state) {
    (void)state;
    mhc__html html;
    mhc__html_start(&html, "t", "s");
    mhc_error error = {0};
    assert_int_equal(mhc__html_write(&html, scratch_path("absent"), &error), MHC_IO);
    assert_non_null(strstr(error.message, "absent/index.html"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape), cmocka_unit_test(test_inline_markup), cmocka_unit_test(test_numbers_stay_whole),
        cmocka_unit_test(test_page),   cmocka_unit_test(test_markdown),      cmocka_unit_test(test_unwritable),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}

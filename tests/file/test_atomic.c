/* Whole or not there: what failures and kills leave behind. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "file/scratch.h"

static void write_and_read(void **state) {
    (void)state;
    const char *path = in_scratch("file");
    assert_int_equal(mhc__write_file(path, "first", 5, NULL), MHC_OK);
    assert_int_equal(mhc__write_file(path, "second!", 7, NULL), MHC_OK);
    assert_content(path, "second!");
    assert_int_equal(mhc__write_file(path, "", 0, NULL), MHC_OK);
    assert_content(path, "");
    assert_int_equal(entries_of(scratch), 1);
    size_t size = 200000;
    char *large = malloc(size), *back;
    for (size_t i = 0; i < size; i++)
        large[i] = (char)(i * 7);
    assert_int_equal(mhc__write_file(path, large, size, NULL), MHC_OK);
    size_t found;
    back = get(path, &found);
    assert_int_equal(found, size);
    assert_memory_equal(back, large, size);
    assert_int_equal(back[size], 0);
    free(back);
    free(large);
}

static void clear_errors(void **state) {
    (void)state;
    mhc_error error = {0};
    char *bytes;
    size_t size;
    assert_int_equal(mhc__read_file(in_scratch("absent"), &bytes, &size, &error), MHC_IO);
    assert_non_null(strstr(error.message, "absent"));
    assert_null(bytes);
    assert_int_equal(mhc__read_file(scratch, &bytes, &size, &error), MHC_IO);
    assert_non_null(strstr(error.message, "folder"));
    assert_int_equal(mhc__write_file(in_scratch("no/such/folder"), "x", 1, &error), MHC_IO);
    assert_int_equal(mhc__make_folders(in_scratch("taken"), &error), MHC_OK);
    assert_int_equal(mhc__write_file(in_scratch("taken"), "x", 1, &error), MHC_IO);
    assert_int_equal(entries_of(scratch), 1);
    put(in_scratch("plain"), "x", 1);
    assert_int_equal(mhc__make_folders(in_scratch("plain/child"), &error), MHC_IO);
    assert_int_equal(mhc__make_folders("", &error), MHC_INVALID_ARGUMENT);
}

/* A limit on the size of files stands in for a full disk: write stops in the middle. Run in a child, where the limit
 * ends with it. */
static void full_disk(void **state) {
    (void)state;
    const char *path = in_scratch("file");
    assert_int_equal(mhc__write_file(path, "old", 3, NULL), MHC_OK);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {4096, 4096};
        static char bytes[100000];
        signal(SIGXFSZ, SIG_IGN);
        mhc_error error = {0};
        bool right = setrlimit(RLIMIT_FSIZE, &limit) == 0 &&
                     mhc__write_file(path, bytes, sizeof bytes, &error) == MHC_IO && strstr(error.message, "write");
        _exit(right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_content(path, "old");
    assert_int_equal(entries_of(scratch), 1);
}

static void folders(void **state) {
    (void)state;
    assert_int_equal(mhc__make_folders(in_scratch("a/b//c/"), NULL), MHC_OK);
    assert_int_equal(mhc__make_folders(in_scratch("a/b/c"), NULL), MHC_OK);
    put(in_scratch("a/b/c/x"), "1", 1);
    assert_int_equal(symlink(scratch, in_scratch("a/b/link")), 0);
    put(in_scratch("kept"), "1", 1);
    assert_int_equal(mhc__remove_tree(in_scratch("a"), NULL), MHC_OK);
    assert_false(is_there(in_scratch("a")));
    assert_true(is_there(in_scratch("kept"))); /* the link was not followed */
    assert_int_equal(mhc__remove_tree(in_scratch("a"), NULL), MHC_OK);
}

static void make_version(const char *folder, const char *content) {
    char path[2048];
    assert_int_equal(mhc__make_folders(folder, NULL), MHC_OK);
    snprintf(path, sizeof path, "%s/x", folder);
    put(path, content, strlen(content));
}

static void replace(void **state) {
    (void)state;
    make_version(in_scratch("new"), "1");
    assert_int_equal(mhc__replace_folder(in_scratch("new"), in_scratch("it"), NULL), MHC_OK);
    make_version(in_scratch("new"), "2");
    assert_int_equal(mhc__replace_folder(in_scratch("new"), in_scratch("it"), NULL), MHC_OK);
    assert_content(in_scratch("it/x"), "2");
    assert_int_equal(entries_of(scratch), 1);
    mhc_error error = {0};
    assert_int_equal(mhc__replace_folder(in_scratch("absent"), in_scratch("it"), &error), MHC_IO);
    assert_content(in_scratch("it/x"), "2");
}

/* The states that a kill between the renames can leave. */
static void recover(void **state) {
    (void)state;
    make_version(in_scratch("it.old"), "old");
    assert_int_equal(mhc__recover_folder(in_scratch("it"), NULL), MHC_OK);
    assert_content(in_scratch("it/x"), "old");
    make_version(in_scratch("it.old"), "older");
    assert_int_equal(mhc__recover_folder(in_scratch("it"), NULL), MHC_OK);
    assert_content(in_scratch("it/x"), "old");
    assert_int_equal(entries_of(scratch), 1);
    assert_int_equal(rename(in_scratch("it"), in_scratch("it.old")), 0);
    make_version(in_scratch("new"), "new");
    assert_int_equal(mhc__replace_folder(in_scratch("new"), in_scratch("it"), NULL), MHC_OK);
    assert_content(in_scratch("it/x"), "new");
    assert_int_equal(entries_of(scratch), 1);
    assert_int_equal(mhc__recover_folder(in_scratch("nothing"), NULL), MHC_OK);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(write_and_read), IN_SCRATCH(clear_errors), IN_SCRATCH(full_disk),
        IN_SCRATCH(folders),        IN_SCRATCH(replace),      IN_SCRATCH(recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whole or not there: what failures and kills leave behind. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "file/checksum.h"
#include "file/support.h"

static void write_and_read(void **state) {
    (void)state;
    const char *path = scratch_path("file");
    assert_int_equal(mhc__write_file(path, "first", 5, NULL), MHC_OK);
    assert_int_equal(mhc__write_file(path, "second!", 7, NULL), MHC_OK);
    assert_content(path, "second!");
    assert_int_equal(mhc__write_file(path, "", 0, NULL), MHC_OK);
    assert_content(path, "");
    assert_int_equal(entries_of(scratch_folder), 1);
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
    const mhc__piece pieces[] = {{large, 70000}, {"", 0}, {large + 70000, size - 70000}};
    assert_int_equal(mhc__write_pieces(scratch_path("pieces"), pieces, 3, NULL), MHC_OK);
    back = get(scratch_path("pieces"), &found);
    assert_int_equal(found, size);
    assert_memory_equal(back, large, size);
    free(back);
    uint32_t sum = 0;
    int64_t counted = 0;
    assert_int_equal(mhc__checksum("123456789", 9), 0xCBF43926); /* the check value of CRC-32 */
    assert_int_equal(mhc__checksum_file(path, &sum, &counted, NULL), MHC_OK);
    assert_int_equal(sum, mhc__checksum(large, size));
    assert_int_equal(counted, size);
    free(large);
}

static void clear_errors(void **state) {
    (void)state;
    mhc_error error = {0};
    char *bytes;
    size_t size;
    assert_int_equal(mhc__read_file(scratch_path("absent"), &bytes, &size, &error), MHC_IO);
    assert_non_null(strstr(error.message, "absent"));
    assert_null(bytes);
    assert_int_equal(mhc__read_file(scratch_folder, &bytes, &size, &error), MHC_IO);
    assert_non_null(strstr(error.message, "folder"));
    assert_int_equal(mhc__write_file(scratch_path("long"), "12345", 5, NULL), MHC_OK);
    assert_int_equal(mhc__read_file_up_to(scratch_path("long"), 4, &bytes, &size, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "at most 4 bytes"));
    assert_null(bytes);
    assert_int_equal(mhc__read_file_up_to(scratch_path("long"), 5, &bytes, &size, &error), MHC_OK);
    free(bytes);
    bool there;
    assert_int_equal(mhc__path_exists(scratch_path("long"), &there, &error), MHC_OK);
    assert_true(there);
    assert_int_equal(mhc__path_exists(scratch_path("long/er"), &there, &error), MHC_OK);
    assert_false(there);
    char name[400];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mhc__path_exists(scratch_path(name), &there, &error), MHC_IO); /* too long for a name */
    assert_int_equal(unlink(scratch_path("long")), 0);
    assert_int_equal(mhc__write_file(scratch_path("no/such/folder"), "x", 1, &error), MHC_IO);
    assert_int_equal(mhc__make_folders(scratch_path("taken"), &error), MHC_OK);
    assert_int_equal(mhc__write_file(scratch_path("taken"), "x", 1, &error), MHC_IO);
    assert_int_equal(entries_of(scratch_folder), 1);
    put(scratch_path("plain"), "x", 1);
    assert_int_equal(mhc__make_folders(scratch_path("plain/child"), &error), MHC_IO);
    assert_int_equal(mhc__make_folders("", &error), MHC_INVALID_ARGUMENT);
}

/* A limit on the size of files stands in for a full disk: write stops in the middle. Run in a child, where the limit
 * ends with it. */
static void full_disk(void **state) {
    (void)state;
    const char *path = scratch_path("file");
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
    assert_int_equal(entries_of(scratch_folder), 1);
}

static void folders(void **state) {
    (void)state;
    assert_int_equal(mhc__make_folders(scratch_path("a/b//c/"), NULL), MHC_OK);
    assert_int_equal(mhc__make_folders(scratch_path("a/b/c"), NULL), MHC_OK);
    put(scratch_path("a/b/c/x"), "1", 1);
    assert_int_equal(symlink(scratch_folder, scratch_path("a/b/link")), 0);
    put(scratch_path("kept"), "1", 1);
    assert_int_equal(mhc__remove_tree(scratch_path("a"), NULL), MHC_OK);
    assert_false(is_there(scratch_path("a")));
    assert_true(is_there(scratch_path("kept"))); /* the link was not followed */
    assert_int_equal(mhc__remove_tree(scratch_path("a"), NULL), MHC_OK);
}

static void make_version(const char *folder, const char *content) {
    char path[2048];
    assert_int_equal(mhc__make_folders(folder, NULL), MHC_OK);
    snprintf(path, sizeof path, "%s/x", folder);
    put(path, content, strlen(content));
}

static void replace(void **state) {
    (void)state;
    make_version(scratch_path("new"), "1");
    assert_int_equal(mhc__replace_folder(scratch_path("new"), scratch_path("it"), NULL), MHC_OK);
    make_version(scratch_path("new"), "2");
    assert_int_equal(mhc__replace_folder(scratch_path("new"), scratch_path("it"), NULL), MHC_OK);
    assert_content(scratch_path("it/x"), "2");
    assert_int_equal(entries_of(scratch_folder), 1);
    mhc_error error = {0};
    assert_int_equal(mhc__replace_folder(scratch_path("absent"), scratch_path("it"), &error), MHC_IO);
    assert_content(scratch_path("it/x"), "2");
}

/* The states that a kill between the renames can leave. */
static void recover(void **state) {
    (void)state;
    make_version(scratch_path("it.old"), "old");
    assert_int_equal(mhc__recover_folder(scratch_path("it"), NULL), MHC_OK);
    assert_content(scratch_path("it/x"), "old");
    make_version(scratch_path("it.old"), "older");
    assert_int_equal(mhc__recover_folder(scratch_path("it"), NULL), MHC_OK);
    assert_content(scratch_path("it/x"), "old");
    assert_int_equal(entries_of(scratch_folder), 1);
    assert_int_equal(rename(scratch_path("it"), scratch_path("it.old")), 0);
    make_version(scratch_path("new"), "new");
    assert_int_equal(mhc__replace_folder(scratch_path("new"), scratch_path("it"), NULL), MHC_OK);
    assert_content(scratch_path("it/x"), "new");
    assert_int_equal(entries_of(scratch_folder), 1);
    assert_int_equal(mhc__recover_folder(scratch_path("nothing"), NULL), MHC_OK);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(write_and_read), IN_SCRATCH(clear_errors), IN_SCRATCH(full_disk),
        IN_SCRATCH(folders),        IN_SCRATCH(replace),      IN_SCRATCH(recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Downloads against a server on loopback: whole files, wrong content, a connection that drops, a missing file, a server
 * that knows no ranges. */
#include "data/support.h"

#include <arpa/inet.h>
#include <lzma.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "data/registry.h"

#define CONTENT 300000

typedef struct server {
    int listener;
    pthread_t thread;
    char url[64];
    char content[CONTENT];
    size_t drop_after; /* close the connection after so many bytes of the body; 0: never */
    bool missing, no_ranges;
    int requests;
    long last_range; /* first byte asked for, -1 without a range */
} server;

static server web;

static void send_all(int peer, const char *bytes, size_t size) {
    while (size) {
        ssize_t sent = send(peer, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        size -= (size_t)sent;
    }
}

static void answer(int peer) {
    char request[4096] = {0}, head[256];
    size_t have = 0;
    for (ssize_t got; have + 1 < sizeof request && !strstr(request, "\r\n\r\n"); have += (size_t)got)
        if ((got = recv(peer, request + have, sizeof request - 1 - have, 0)) <= 0)
            return;
    const char *range = strstr(request, "Range: bytes=");
    web.requests++;
    web.last_range = range ? strtol(range + 13, NULL, 10) : -1;
    size_t first = range && !web.no_ranges ? (size_t)web.last_range : 0;
    if (web.missing)
        snprintf(head, sizeof head, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else if (first >= CONTENT)
        snprintf(head, sizeof head,
                 "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%d\r\n"
                 "Content-Length: 0\r\nConnection: close\r\n\r\n",
                 CONTENT);
    else if (first)
        snprintf(head, sizeof head,
                 "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%d/%d\r\n"
                 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                 first, CONTENT - 1, CONTENT, CONTENT - first);
    else
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", CONTENT);
    send_all(peer, head, strlen(head));
    if (web.missing || first >= CONTENT)
        return;
    size_t size = CONTENT - first;
    send_all(peer, web.content + first, web.drop_after && web.drop_after < size ? web.drop_after : size);
}

static void *serve(void *unused) {
    (void)unused;
    for (int peer; (peer = accept(web.listener, NULL, NULL)) >= 0; close(peer)) {
        answer(peer);
        shutdown(peer, SHUT_WR);
    }
    return NULL;
}

static int start(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    web.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (web.listener < 0 || bind(web.listener, (struct sockaddr *)&address, length) != 0 ||
        listen(web.listener, 8) != 0 || getsockname(web.listener, (struct sockaddr *)&address, &length) != 0)
        return -1;
    snprintf(web.url, sizeof web.url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    for (int i = 0; i < CONTENT; i++)
        web.content[i] = (char)(i * 31 + i / 977);
    setenv("no_proxy", "127.0.0.1", 1);
    return scratch_make(state) == 0 && pthread_create(&web.thread, NULL, serve, NULL) == 0 ? 0 : -1;
}

static int stop(void **state) {
    shutdown(web.listener, SHUT_RDWR);
    pthread_join(web.thread, NULL);
    close(web.listener);
    return scratch_remove(state);
}

static mhc__remote_file file_named(const char *name, char hex[65]) {
    web.drop_after = 0;
    web.missing = web.no_ranges = false;
    web.requests = 0;
    assert_int_equal(mhc__sha256(web.content, CONTENT, hex, NULL), MHC_OK);
    return (mhc__remote_file){.url = "http://example.invalid/some/file", .name = name, .size = CONTENT, .sha256 = hex};
}

static mhc_status get(const mhc__remote_file *file, mhc_error *error) {
    *error = (mhc_error){0};
    return mhc__download(file, scratch_folder, web.url, NULL, NULL, error);
}

static void check_kept(const char *name, bool whole, long part_size) {
    char *bytes = NULL, *part = mhc__format("%s.part", name);
    size_t size = 0;
    assert_int_equal(mhc__read_file(scratch_path(name), &bytes, &size, NULL), whole ? MHC_OK : MHC_IO);
    if (whole) {
        assert_int_equal(size, CONTENT);
        assert_memory_equal(bytes, web.content, CONTENT);
    }
    free(bytes);
    assert_int_equal(mhc__read_file(scratch_path(part), &bytes, &size, NULL), part_size >= 0 ? MHC_OK : MHC_IO);
    if (part_size >= 0)
        assert_int_equal(size, part_size);
    free(bytes);
    free(part);
}

static void whole(void **state) {
    (void)state;
    char hex[65];
    mhc_error error;
    mhc__remote_file file = file_named("whole", hex);
    assert_int_equal(get(&file, &error), MHC_OK);
    check_kept("whole", true, -1);
    assert_int_equal(web.requests, 1);
    assert_int_equal(get(&file, &error), MHC_OK); /* it is there */
    assert_int_equal(web.requests, 1);
}

static void wrong_content(void **state) {
    (void)state;
    char hex[65];
    mhc_error error;
    mhc__remote_file file = file_named("wrong", hex);
    hex[0] = hex[0] == '0' ? '1' : '0';
    assert_int_equal(get(&file, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "expected SHA-256"));
    check_kept("wrong", false, -1);
    file.size = CONTENT - 1;
    assert_int_equal(get(&file, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "expected 299999 bytes, found 300000"));
    file = file_named("wrong", hex);
    file.packing = MHC__PACKING_GZIP;
    assert_int_equal(get(&file, &error), MHC_CORRUPT);
    check_kept("wrong", false, -1);
}

static void dropped_and_resumed(void **state) {
    (void)state;
    char hex[65];
    mhc_error error;
    mhc__remote_file file = file_named("dropped", hex);
    web.drop_after = 100000;
    assert_int_equal(get(&file, &error), MHC_IO);
    check_kept("dropped", false, 100000);
    assert_int_equal(get(&file, &error), MHC_IO);
    check_kept("dropped", false, 200000);
    web.drop_after = 0;
    assert_int_equal(get(&file, &error), MHC_OK);
    assert_int_equal(web.last_range, 200000);
    check_kept("dropped", true, -1);
}

/* A part that is already whole (killed before the check) is checked, not fetched. */
static void killed_before_the_check(void **state) {
    (void)state;
    char hex[65];
    mhc_error error;
    mhc__remote_file file = file_named("killed", hex);
    write_text(scratch_path("killed.part"), web.content, CONTENT);
    if (get(&file, &error) != MHC_OK)
        fail_msg("%s", error.message);
    check_kept("killed", true, -1);
}

static void server_without_ranges(void **state) {
    (void)state;
    char hex[65];
    mhc_error error;
    mhc__remote_file file = file_named("ranges", hex);
    web.no_ranges = true;
    write_text(scratch_path("ranges.part"), web.content, 1000);
    if (get(&file, &error) != MHC_OK)
        fail_msg("%s", error.message);
    check_kept("ranges", true, -1);
}

static void missing(void **state) {
    (void)state;
    char hex[65];
    mhc_error error;
    mhc__remote_file file = file_named("missing", hex);
    web.missing = true;
    assert_int_equal(get(&file, &error), MHC_IO);
    assert_non_null(strstr(error.message, "404"));
    check_kept("missing", false, -1);
    assert_int_equal(mhc__data_get("enwik9", scratch_folder, web.url, NULL, NULL, &error), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__data_get("tinyshakespeare", scratch_folder, web.url, NULL, NULL, &error), MHC_IO);
}

static bool say_stop(void *user, const char *name, int64_t done, int64_t total) {
    (void)user;
    (void)name;
    (void)total;
    return done < 1;
}

static void stopped(void **state) {
    (void)state;
    char hex[65];
    mhc_error error = {0};
    mhc__remote_file file = file_named("stopped", hex);
    assert_int_equal(mhc__download(&file, scratch_folder, web.url, say_stop, NULL, &error), MHC_INTERRUPTED);
    assert_int_equal(get(&file, &error), MHC_OK);
    check_kept("stopped", true, -1);
}

/* A zip of one deflated member, made here; every cut and flip of its bytes is an error or the same content. */
static void zip(void **state) {
    (void)state;
    const char text[] = "to be, or not to be, that is the question: to be, or not to be";
    unsigned char bytes[256] = {'P', 'K', 3, 4, 20, 0, 0, 0, 8, 0};
    z_stream stream = {0};
    uLong crc = crc32(0L, (const Bytef *)text, (uInt)strlen(text));
    for (int i = 0; i < 4; i++)
        bytes[14 + i] = (unsigned char)(crc >> 8 * i);
    bytes[26] = 1;
    bytes[30] = 'x';
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)text;
    stream.avail_in = (uInt)strlen(text);
    stream.next_out = bytes + 31;
    stream.avail_out = sizeof bytes - 31;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t size = 31 + stream.total_out;
    deflateEnd(&stream);
    mhc__text out = {0};
    assert_int_equal(mhc__unpack(MHC__PACKING_ZIP, bytes, size, 1000, &out, NULL), MHC_OK);
    assert_string_equal(out.data, text);
    mhc__text_free(&out);
    assert_int_equal(mhc__unpack(MHC__PACKING_ZIP, bytes, size, 10, &out, NULL), MHC_CORRUPT);
    mhc__text_free(&out);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(mhc__unpack(MHC__PACKING_ZIP, bytes, cut, 1000, &out, NULL), MHC_CORRUPT);
        mhc__text_free(&out);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        mhc_status status = mhc__unpack(MHC__PACKING_ZIP, bytes, size, 1000, &out, NULL);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (status == MHC_OK)
            assert_string_equal(out.data, text);
        mhc__text_free(&out);
    }
}

/* `cat a.gz b.gz` and the like are files as well; a damaged second member is an error. */
static void several_members(void **state) {
    (void)state;
    const char *halves[] = {"to be, or not ", "to be"};
    unsigned char bytes[256];
    size_t size = 0;
    mhc__text out = {0};
    for (int i = 0; i < 2; i++) {
        z_stream stream = {.next_in = (Bytef *)(uintptr_t)halves[i], .avail_in = (uInt)strlen(halves[i])};
        assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        stream.next_out = bytes + size;
        stream.avail_out = (uInt)(sizeof bytes - size);
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        size += stream.total_out;
        deflateEnd(&stream);
    }
    assert_int_equal(mhc__unpack(MHC__PACKING_GZIP, bytes, size, 1000, &out, NULL), MHC_OK);
    assert_string_equal(out.data, "to be, or not to be");
    mhc__text_free(&out);
    assert_int_equal(mhc__unpack(MHC__PACKING_GZIP, bytes, size - 1, 1000, &out, NULL), MHC_CORRUPT);
    mhc__text_free(&out);
    size = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, (const uint8_t *)halves[i],
                                                 strlen(halves[i]), bytes, &size, sizeof bytes),
                         LZMA_OK);
    assert_int_equal(mhc__unpack(MHC__PACKING_XZ, bytes, size, 1000, &out, NULL), MHC_OK);
    assert_string_equal(out.data, "to be, or not to be");
    mhc__text_free(&out);
    assert_int_equal(mhc__unpack(MHC__PACKING_XZ, bytes, size - 4, 1000, &out, NULL), MHC_CORRUPT);
    mhc__text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole),
                                       cmocka_unit_test(wrong_content),
                                       cmocka_unit_test(dropped_and_resumed),
                                       cmocka_unit_test(killed_before_the_check),
                                       cmocka_unit_test(server_without_ranges),
                                       cmocka_unit_test(missing),
                                       cmocka_unit_test(stopped),
                                       cmocka_unit_test(zip),
                                       cmocka_unit_test(several_members)};
    return cmocka_run_group_tests(tests, start, stop);
}

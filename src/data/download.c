#include "data/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/atomic.h"

#define RANGE_NOT_SATISFIABLE 416
#define LIMIT                 ((size_t)1 << 31) /* of a file whose size isn't known */

mhc_status mhc__sha256(const void *bytes, size_t size, char hex[65], mhc_error *error) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    if (EVP_Digest(bytes, size, digest, &count, EVP_sha256(), NULL) != 1 || count != 32)
        return mhc__fail(error, MHC_UNSUPPORTED, "libcrypto can't compute SHA-256");
    for (unsigned i = 0; i < count; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return MHC_OK;
}

/* ---- fetching ---- */

typedef struct transfer {
    const mhc__remote_file *file;
    mhc__download_progress progress;
    void *user;
    FILE *part;
    int64_t before; /* bytes that were there */
    bool stopped;
} transfer;

static int on_progress(void *user, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up) {
    transfer *t = user;
    (void)up_total;
    (void)up;
    t->stopped =
        t->progress && !t->progress(t->user, t->file->name, t->before + done, total > 0 ? t->before + total : 0);
    return t->stopped;
}

static void set_options(CURL *curl, transfer *t, const char *url, char *reason) {
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t->part); /* the default writer is fwrite */
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->before);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

/* Goes on at the end of the part, or starts it anew. *code gets libcurl's result. */
static mhc_status transfer_run(transfer *t, const char *url, const char *part, bool anew, CURLcode *code,
                               mhc_error *error) {
    char reason[CURL_ERROR_SIZE] = {0};
    t->part = fopen(part, anew ? "wb" : "ab");
    if (!t->part)
        return mhc__fail(error, MHC_IO, "%s: can't write: %s", part, strerror(errno));
    struct stat info;
    t->before = fstat(fileno(t->part), &info) == 0 ? (int64_t)info.st_size : 0;
    CURL *curl = curl_easy_init();
    *code = CURLE_OUT_OF_MEMORY;
    if (curl) {
        set_options(curl, t, url, reason);
        *code = curl_easy_perform(curl);
        long answer = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
        /* Nothing lies after the part: it was whole before. The check of its content decides. */
        if (*code == CURLE_HTTP_RETURNED_ERROR && answer == RANGE_NOT_SATISFIABLE && t->before > 0)
            *code = CURLE_OK;
        curl_easy_cleanup(curl);
    }
    int closed = fclose(t->part);
    if (*code == CURLE_OK && closed != 0)
        return mhc__fail(error, MHC_IO, "%s: can't write: %s", part, strerror(errno));
    if (t->stopped)
        return mhc__fail(error, MHC_INTERRUPTED, "%s: stopped; the next call goes on from here", url);
    if (*code != CURLE_OK)
        return mhc__fail(error, MHC_IO, "%s: %s; the next call goes on from here", url,
                         reason[0] ? reason : curl_easy_strerror(*code));
    return MHC_OK;
}

static mhc_status fetch(transfer *t, const char *url, const char *part, mhc_error *error) {
    CURLcode code = CURLE_OK;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return mhc__fail(error, MHC_UNSUPPORTED, "libcurl can't start");
    mhc_status status = transfer_run(t, url, part, false, &code, error);
    /* A server that sends the whole file again can't be gone on with. */
    if (code == CURLE_RANGE_ERROR)
        status = transfer_run(t, url, part, true, &code, error);
    curl_global_cleanup();
    struct stat info;
    if (status != MHC_OK && stat(part, &info) == 0 && info.st_size == 0)
        unlink(part);
    return status;
}

/* ---- checking ---- */

static mhc_status check_content(const mhc__remote_file *file, const char *bytes, size_t size, mhc_error *error) {
    if (file->size > 0 && (uint64_t)file->size != size)
        return mhc__fail(error, MHC_MISMATCH, "%s: expected %" PRId64 " bytes, found %zu", file->name, file->size,
                         size);
    if (file->lines > 0) {
        int64_t lines = 0;
        for (const char *at = bytes, *end = bytes + size; at < end; lines++) {
            const char *feed = memchr(at, '\n', (size_t)(end - at));
            at = feed ? feed + 1 : end;
        }
        if (lines != file->lines)
            return mhc__fail(error, MHC_MISMATCH, "%s: expected %" PRId64 " lines, found %" PRId64, file->name,
                             file->lines, lines);
    }
    char hex[65];
    if (!file->sha256)
        return MHC_OK;
    MHC__TRY(mhc__sha256(bytes, size, hex, error));
    return strcmp(hex, file->sha256) == 0
               ? MHC_OK
               : mhc__fail(error, MHC_MISMATCH, "%s: expected SHA-256 %s, found %s", file->name, file->sha256, hex);
}

static bool is_there(const mhc__remote_file *file, const char *path) {
    char *bytes = NULL;
    size_t size = 0;
    bool there = mhc__read_file(path, &bytes, &size, NULL) == MHC_OK && size > 0 &&
                 check_content(file, bytes, size, NULL) == MHC_OK;
    free(bytes);
    return there;
}

static mhc_status put_in_place(const mhc__remote_file *file, const char *part, const char *path, mhc_error *error) {
    char *bytes = NULL;
    size_t size = 0;
    mhc__text content = {0};
    MHC__TRY(mhc__read_file(part, &bytes, &size, error));
    /* One byte of room more: a longer content is then told by check_content, with both sizes. */
    size_t limit = file->size > 0 ? (size_t)file->size + 1 : LIMIT;
    mhc_status status = mhc__unpack(file->packing, bytes, size, limit, &content, error);
    free(bytes);
    if (status != MHC_OK)
        status = mhc__fail_in(error, status, "%s", file->url);
    if (status == MHC_OK)
        status = check_content(file, content.data, content.length, error);
    bool wrong = status == MHC_CORRUPT || status == MHC_MISMATCH;
    if (status == MHC_OK)
        status = mhc__write_file(path, content.data, content.length, error);
    if (status == MHC_OK || wrong)
        unlink(part);
    mhc__text_free(&content);
    return status;
}

mhc_status mhc__download(const mhc__remote_file *file, const char *folder, const char *base_url,
                         mhc__download_progress progress, void *user, mhc_error *error) {
    const char *slash = strrchr(file->url, '/');
    char *path = mhc__format("%s/%s", folder, file->name), *part = mhc__format("%s/%s.part", folder, file->name);
    char *url = base_url ? mhc__format("%s/%s", base_url, slash ? slash + 1 : file->url) : mhc__format("%s", file->url);
    mhc_status status = path && part && url ? MHC_OK : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", file->name);
    if (status == MHC_OK && !is_there(file, path)) {
        transfer t = {.file = file, .progress = progress, .user = user};
        status = fetch(&t, url, part, error);
        if (status == MHC_OK)
            status = put_in_place(file, part, path, error);
    }
    free(url);
    free(part);
    free(path);
    return status;
}

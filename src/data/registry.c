#include "data/registry.h"

#include <string.h>

#include "file/atomic.h"

#define CHAR_RNN "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
#define EXAMPLES "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/"
#define BOOLQ    "https://storage.googleapis.com/boolq/"

static const mhc__dataset DATASETS[] = {
    {.name = "enwik8",
     .about = "the first 100,000,000 bytes of the English Wikipedia of 2006",
     .licence = "CC BY-SA, GFDL",
     .count = 1,
     .files = {{.url = "http://mattmahoney.net/dc/enwik8.zip",
                .name = "enwik8",
                .packing = MHC__PACKING_ZIP,
                .size = 100000000,
                .sha256 = "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8"}}},
    {.name = "tinyshakespeare",
     .about = "40,000 lines of Shakespeare's plays",
     .licence = "public domain",
     .count = 1,
     .files = {{.url = CHAR_RNN "input.txt",
                .name = "input.txt",
                .size = 1115394,
                .sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}}},
    /* No published checksum of the training file is known to us: its size is checked. */
    {.name = "wikitext-2",
     .about = "WikiText-2 v1: articles of Wikipedia, words separated, rare words as <unk>",
     .licence = "CC BY-SA 3.0",
     .count = 3,
     .files = {{.url = EXAMPLES "train.txt", .name = "train.txt", .size = 10797148},
               {.url = EXAMPLES "valid.txt",
                .name = "valid.txt",
                .size = 1121681,
                .sha256 = "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"},
               {.url = EXAMPLES "test.txt",
                .name = "test.txt",
                .size = 1256449,
                .sha256 = "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"}}},
    /* The same: of the training file the number of lines is checked. */
    {.name = "boolq",
     .about = "yes/no questions with a passage that answers them",
     .licence = "CC BY-SA 3.0",
     .count = 2,
     .files = {{.url = BOOLQ "train.jsonl", .name = "train.jsonl", .lines = 9427},
               {.url = BOOLQ "dev.jsonl",
                .name = "dev.jsonl",
                .size = 2238726,
                .sha256 = "ebc29ea3808c5c611672384b3de56e83349fe38fc1fe876fd29b674d81d0a80a"}}},
};

int mhc__dataset_count(void) {
    return (int)(sizeof DATASETS / sizeof DATASETS[0]);
}

const mhc__dataset *mhc__dataset_at(int index) {
    return &DATASETS[index];
}

const mhc__dataset *mhc__dataset_find(const char *name) {
    for (int i = 0; i < mhc__dataset_count(); i++)
        if (!strcmp(DATASETS[i].name, name))
            return &DATASETS[i];
    return NULL;
}

mhc_status mhc__data_get(const char *name, const char *folder, const char *base_url, mhc__download_progress progress,
                         void *user, mhc_error *error) {
    const mhc__dataset *set = mhc__dataset_find(name);
    if (!set)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "%s: not a known data set; expected enwik8, tinyshakespeare, wikitext-2 or boolq", name);
    MHC__TRY(mhc__make_folders(folder, error));
    for (int i = 0; i < set->count; i++)
        MHC__TRY(mhc__download(&set->files[i], folder, base_url, progress, user, error));
    return MHC_OK;
}

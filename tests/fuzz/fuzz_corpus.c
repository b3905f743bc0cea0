/* Any bytes as data to train on: a text, or a packed token file. What opens must fill batches with ids in range. */
#include <string.h>

#include "data/corpus.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { BATCH = 2, SEQUENCE = 5 };
    mhc__data_config config = mhc__data_config_default();
    snprintf(config.path, sizeof config.path, "%s", scratch_write(data, size));
    snprintf(config.tokenizer, sizeof config.tokenizer, "%s", size % 2 ? "byte" : "char");
    config.sampling = (mhc__sampling)(size % 3);
    mhc__corpus *corpus = NULL;
    mhc_error error;
    if (mhc__corpus_open(&config, SEQUENCE, 7, NULL, &corpus, &error) != MHC_OK) {
        if (!*error.message || strchr(error.message, '\n'))
            abort();
        return 0;
    }
    int32_t tokens[BATCH * (SEQUENCE + 1)];
    mhc__source sources[2] = {mhc__corpus_train(corpus), mhc__corpus_eval(corpus)};
    for (int s = 0; s < 2; s++)
        for (int64_t index = 0; sources[s].fill && index < 3; index++) {
            if (sources[s].fill(sources[s].self, index, BATCH, SEQUENCE, tokens, &error) != MHC_OK)
                continue;
            for (int i = 0; i < BATCH * (SEQUENCE + 1); i++)
                if (tokens[i] < 0 || tokens[i] >= mhc__corpus_vocabulary(corpus))
                    abort();
        }
    mhc__corpus_close(corpus);
    return 0;
}

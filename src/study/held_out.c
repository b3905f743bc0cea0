#include "study/held_out.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "file/atomic.h"
#include "mhc/context.h"
#include "train/evaluate.h"

bool mhc__held_out_is_there(const mhc__corpus *corpus) {
    return corpus && mhc__corpus_eval_tokens(corpus) > 0;
}

mhc_status mhc__held_out_measure(mhc__model *model, mhc__corpus *corpus, const mhc__train_config *train,
                                 const volatile int *stop, mhc__held_out *found, mhc_error *error) {
    int sequence = mhc__model_configuration(model)->sequence;
    mhc__evaluation what = {.source = mhc__corpus_eval(corpus),
                            .rows = mhc__evaluation_rows(mhc__corpus_eval_tokens(corpus), sequence),
                            .batch = train->batch,
                            .sequence = sequence,
                            .precision = train->precision,
                            .stop = stop};
    mhc_context context = mhc_context_cpu(train->threads);
    found->tokens = what.rows * sequence;
    return mhc__evaluate(model, &context, &what, NULL, &found->loss, error);
}

mhc_status mhc__held_out_save(const char *path, const mhc__held_out *found, mhc_error *error) {
    mhc__text text = {0};
    if (isfinite(found->loss))
        mhc__text_format(&text, "{\"loss\":%.17g,\"tokens\":%lld}\n", found->loss, (long long)found->tokens);
    else
        mhc__text_format(&text, "{\"loss\":null,\"tokens\":%lld}\n", (long long)found->tokens);
    mhc_status status = text.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory to write it", path)
                                    : mhc__write_file(path, text.data, text.length, error);
    mhc__text_free(&text);
    return status;
}

mhc_status mhc__held_out_load(const char *path, mhc__held_out *found, mhc_error *error) {
    char *bytes;
    size_t size;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    json_error_t why;
    json_t *object = json_loadb(bytes, size, 0, &why);
    json_t *loss = json_object_get(object, "loss"), *tokens = json_object_get(object, "tokens");
    bool right = (json_is_number(loss) || json_is_null(loss)) && json_is_integer(tokens);
    *found = (mhc__held_out){json_is_number(loss) ? json_number_value(loss) : NAN, json_integer_value(tokens)};
    json_decref(object);
    free(bytes);
    return right ? MHC_OK
                 : mhc__fail(error, MHC_CORRUPT, "%s: expected {\"loss\":number or null,\"tokens\":integer}", path);
}

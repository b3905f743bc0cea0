/* The data sets that `mhc data get` knows. */
#ifndef MHC_DATA_REGISTRY_H
#define MHC_DATA_REGISTRY_H

#include "data/download.h"

#define MHC__DATASET_FILES 3

typedef struct mhc__dataset {
    const char *name, *about, *licence;
    mhc__remote_file files[MHC__DATASET_FILES];
    int count;
} mhc__dataset;

int mhc__dataset_count(void);
const mhc__dataset *mhc__dataset_at(int index);
const mhc__dataset *mhc__dataset_find(const char *name); /* NULL when unknown */

/* `mhc data get NAME`: every file of the set into `folder` (made if absent). A file that is there and passes its check
 * is not fetched again. base_url: NULL, or a mirror with the same last path components. */
mhc_status mhc__data_get(const char *name, const char *folder, const char *base_url, mhc__download_progress progress,
                         void *user, mhc_error *error);

#endif

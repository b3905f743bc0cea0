#define MHC__MOST_STREAMS    16
#define MHC__CONSTRAINT_ROWS mhc__cuda_constraint_rows_16
#include "stream/constraint/rows.h"

#define MHC__MOST_STREAMS    8
#define MHC__CONSTRAINT_ROWS mhc__cuda_constraint_rows_8
#include "stream/constraint/rows.h"

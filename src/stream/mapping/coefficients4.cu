#define MHC__MOST_STREAMS 4
#include "stream/mapping/coefficients_unit.h"

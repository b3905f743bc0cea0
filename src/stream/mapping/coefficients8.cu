#define MHC__MOST_STREAMS 8
#include "stream/mapping/coefficients_unit.h"

/* What a token's logits become, on the device: the text of stream/kernel/coefficients.h, gates and all constraints,
 * with one lane, a token in a thread. nvcc compiles it without contraction, so its bits are the CPU's.
 *
 * Its arrays live in the thread's local memory, of which a GPU reserves as much as all threads that it can hold would
 * need. So they have the size of the streams that a file asks for, before it includes this one:
 *
 *     MHC__MOST_STREAMS 4, 8 or 16
 *
 * The kernels whose work it is are together in the units arithmetic4.cu to arithmetic16.cu: ptxas takes most of a
 * minute over the constraints, wherever they are included. */
#ifndef MHC_STREAM_CUDA_ARITHMETIC_H
#define MHC_STREAM_CUDA_ARITHMETIC_H

#if !defined(MHC__MOST_STREAMS)
#error "expected MHC__MOST_STREAMS"
#endif

#define MHC__LANES              1
#define MHC__ROW_FLOATS         MHC__MOST_STREAMS
#define MHC__MATRIX_FLOATS      (MHC__MOST_STREAMS * MHC__MOST_STREAMS)
#define MHC__LOGIT_FLOATS       (3 * MHC__MATRIX_FLOATS + 8) /* matrix gates and, at n = 4 and 5, n! permutations */
#define MHC__COEFFICIENT_FLOATS (MHC__MATRIX_FLOATS + 2 * MHC__MOST_STREAMS)
/* 1000 iterations, the most there are, can be walked back with 13 states. */
#define MHC__SINKHORN_STATES (13 * MHC__MATRIX_FLOATS)

/* n = 4 has loops of known length. */
#define MHC__LANE_SIZES(RUN)                                                                                           \
    do {                                                                                                               \
        (void)w;                                                                                                       \
        if (MHC__MOST_STREAMS == 4 && n == 4)                                                                          \
            RUN(4, 1);                                                                                                 \
        else                                                                                                           \
            RUN(n, 1);                                                                                                 \
    } while (0)

/* The name of a unit's function. */
#define MHC__GLUED(name, most)        name##most
#define MHC__GLUED_VALUES(name, most) MHC__GLUED(name, most)
#define MHC__OF_UNIT(name)            MHC__GLUED_VALUES(name, MHC__MOST_STREAMS)

#include "stream/cuda/device.h"

#include "stream/kernel/coefficients.h"

#endif

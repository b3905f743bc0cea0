/* What the emulator tells the checker of races (races.cc) while it runs a kernel: who runs, and what orders the
 * threads. Without MHC__RACES nothing is told. */
#ifndef MHC_TESTS_CUDA_RACES_H
#define MHC_TESTS_CUDA_RACES_H

#include <stddef.h>
#include <stdint.h>

#if defined(MHC__RACES)
#define MHC__RACES_TOLD(declaration) declaration;
#else
#define MHC__RACES_TOLD(declaration)                                                                                   \
    static inline declaration {}
#endif

/* A launch; name: of the operation. What was before has happened before. */
MHC__RACES_TOLD(void mhc__races_begin(const char *, int64_t /* blocks */, int /* threads */))
MHC__RACES_TOLD(void mhc__races_end(void))
/* A block that begins, with shared memory that nobody has touched. */
MHC__RACES_TOLD(void mhc__races_open(int64_t /* block */, const char * /* shared */, size_t /* bytes */))
/* The thread that runs from here on, and its stack, which is nobody else's. */
MHC__RACES_TOLD(void mhc__races_run(int64_t /* block */, int /* thread */, const char * /* stack */, size_t))

/* All threads of the running thread's block, all lanes of its warp, all threads of the blocks from `first` on have met.
 * Told once, by the one that comes last, before any of them goes on. */
MHC__RACES_TOLD(void mhc__races_sync_block(void))
MHC__RACES_TOLD(void mhc__races_sync_warp(void))
MHC__RACES_TOLD(void mhc__races_sync_cluster(int64_t /* first */, int /* blocks */))

/* The running thread has added to a counter, which now has this value; it has waited until a counter had this value. */
MHC__RACES_TOLD(void mhc__races_add(const int *, int /* value */, bool /* release */))
MHC__RACES_TOLD(void mhc__races_acquire(const int *, int /* value */))

/* The running thread reads or writes memory, in a way that the compiler does not tell. from: place in the program. */
MHC__RACES_TOLD(void mhc__races_read(const void *, size_t, const void * /* from */))
MHC__RACES_TOLD(void mhc__races_write(const void *, size_t, const void * /* from */))

/* For a function of the emulator that is compiled with the kernels: it tells itself what it touches, and who calls it.
 */
#if defined(MHC__RACES)
#define MHC__RACES_NOT_TOLD __attribute__((no_sanitize("thread"), noinline, unused))
#else
#define MHC__RACES_NOT_TOLD
#endif

#endif

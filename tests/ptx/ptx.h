/* Runs the PTX that nvcc has made of the CUDA kernels on a CPU: what the emulator of stream/emulator.h can't, which
 * compiles the kernels' source by other means and has words of its own for what is assembly there. runtime.c has the
 * functions of CUDA's runtime that the library and its tests call, by which a program that nvcc has compiled is linked
 * as with CUDA's own.
 *
 *     fatbin.c     PTX out of what nvcc has put into the program
 *     parse.c      a function's text, decoded
 *     registers.c  places for its registers
 *     arithmetic.c, memory.c, exchange.c   what instructions do, by warps
 *     machine.c    warps, blocks, launches
 *
 * It is strict: an access outside what was allocated, or not aligned, a barrier that not all reach, a lane that is
 * missing where all have to be, end the program with a message. Not modelled: time, caches, an order of memory weaker
 * than that in which instructions are run; races are the business of stream/races.h. */
#ifndef MHC_TESTS_PTX_H
#define MHC_TESTS_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PTX_LANES = 32, PTX_TO = 4, PTX_FROM = 10, PTX_CLUSTER_MOST = 16 };
/* Addresses of other spaces than global memory begin here as generic ones; a block's shared memory is 16 MB wide, the
 * cluster's blocks have theirs after it. */
#define PTX_WINDOW_SHARED ((uint64_t)1 << 56)
#define PTX_WINDOW_LOCAL  ((uint64_t)2 << 56)
#define PTX_WINDOW_PARAM  ((uint64_t)3 << 56)
#define PTX_SHARED_BITS   24

typedef enum ptx_space { PTX_GENERIC, PTX_GLOBAL, PTX_SHARED, PTX_LOCAL, PTX_PARAM } ptx_space;
typedef struct ptx_warp ptx_warp;
typedef struct ptx_code ptx_code;
typedef struct ptx_function ptx_function;
typedef struct ptx_module ptx_module;
/* For the lanes of warp->mask. */
typedef void ptx_run(ptx_warp *warp, const ptx_code *code);

/* An instruction. Places of registers are bytes into the warp's frame: 32 values of 4 or 8 bytes, or 32 bits of a
 * predicate; while a function is parsed they are numbers of registers. */
struct ptx_code {
    ptx_run *run;
    int to[PTX_TO], from[PTX_FROM]; /* -1: none */
    int guard;                      /* a predicate, or -1 */
    bool inverted, branches, leaves;
    int target;       /* of a branch: an instruction */
    int64_t offset;   /* of an address */
    ptx_space space;  /* of a load or store */
    int bytes, count; /* of one element; elements */
    bool lets_run;    /* it is how one waits for others */
    bool narrow;      /* its address is held in 32 bits, as those of shared memory may be */
    bool wide, sign;  /* its registers have 64 bits, whatever it loads; with the sign extended */
    const ptx_function *callee;
    const char *text; /* where it stands */
};

/* Places that are not the program's: each of 32 numbers of 4 bytes, the last of 8 bytes. */
enum { PTX_TID, PTX_NTID, PTX_CTAID, PTX_NCTAID, PTX_LOCAL_BASE, PTX_SPECIALS };

typedef struct ptx_param {
    const char *name;
    int length, offset, bytes;
} ptx_param;

struct ptx_function {
    const ptx_module *module;
    const char *name, *text; /* text: behind the name */
    int name_length;
    bool parsed;
    ptx_code *code;
    int count;
    ptx_param param[8];
    int params, param_bytes, local_bytes;
    int most_threads, least_blocks; /* of .maxntid and .minnctapersm, or 0 */
    int special[PTX_SPECIALS];
    char *image; /* a frame before it runs: constants */
    size_t frame;
};

typedef struct ptx_global {
    const char *name;
    int length;
    char *memory;
} ptx_global;

struct ptx_module {
    ptx_function *function;
    int functions;
    ptx_global global[16];
    int globals;
};

typedef struct ptx_block ptx_block;

typedef struct ptx_frame {
    const ptx_function *function;
    char *registers;
    const char *params;
    int param_stride; /* from lane to lane */
    int local;        /* where its local memory begins in a lane's */
} ptx_frame;

struct ptx_warp {
    ptx_block *block;
    int number;
    ptx_frame frame;
    uint32_t live;                          /* lanes that have not left the function */
    uint32_t at_warp, at_block, at_cluster; /* those that wait */
    uint32_t mask;                          /* those that run now, */
    int pc, next;                           /* here, and then there */
    bool changed;                           /* mask is no longer the lanes that run */
    int place[PTX_LANES], budget;
    int generation[PTX_LANES]; /* of the cluster, at which a lane arrived */
    char *local;               /* PTX_LOCAL_BYTES for each lane */
};
enum { PTX_LOCAL_BYTES = 256 * 1024 };

typedef struct ptx_cluster {
    int blocks, arrived, generation;
    ptx_block *block[PTX_CLUSTER_MOST];
} ptx_cluster;

struct ptx_block {
    int number, threads, warps;
    ptx_warp *warp;
    char *shared;
    int64_t shared_bytes;
    char *params; /* of the kernel */
    int param_bytes;
    ptx_cluster *cluster;
};

/* Ends the program: what is wrong with the instruction that this warp runs, for a lane or, -1, for all. */
_Noreturn void ptx_wrong(const ptx_warp *warp, int lane, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void ptx_give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void *ptx_at(const ptx_warp *warp, int place) {
    return warp->frame.registers + place;
}

/* fatbin.c: the text, ended by 0, of what __cudaRegisterFatBinary is given. */
char *ptx_of_fatbin(const void *wrapper);

/* parse.c */
ptx_module *ptx_module_open(char *text);
const ptx_function *ptx_function_of(ptx_module *module, const char *name, size_t length); /* NULL: none */

/* registers.c: numbers of registers become places. width: of each register in bytes, 1: a predicate. used: bytes of the
 * frame that are taken; returns them with the registers. */
size_t ptx_place_registers(ptx_function *function, const int8_t *width, int registers, const int *fixed, size_t used);

/* registers: one character for the width of each in bytes, 'p' for a predicate; results, then '=', then the others. */
typedef struct ptx_operation {
    const char *name, *registers;
    ptx_run *run;
} ptx_operation;
/* In a table, or NULL. */
const ptx_operation *ptx_find(const ptx_operation *all, size_t count, const char *name, size_t length);
const ptx_operation *ptx_arithmetic(const char *name, size_t length);
const ptx_operation *ptx_exchange(const char *name, size_t length); /* exchange.c */
ptx_run ptx_load, ptx_store, ptx_release_add, ptx_prefetch;         /* memory.c */
ptx_run ptx_branch, ptx_leave, ptx_call;                            /* machine.c */

/* exchange.c: whether all lanes of `need` are here; if not, those that are wait. */
bool ptx_gathered(ptx_warp *warp, uint32_t need);

/* memory.c */
void *ptx_allocate(size_t bytes);
bool ptx_free(void *memory);
bool ptx_is_allocated(const void *memory, size_t bytes);

/* machine.c */
typedef struct ptx_launch {
    const ptx_function *function;
    int blocks, threads, cluster;
    size_t shared;
    bool together;
    char *params;
} ptx_launch;
void ptx_launch_run(const ptx_launch *launch);
void ptx_progress(void); /* something was written for others to see */

#endif

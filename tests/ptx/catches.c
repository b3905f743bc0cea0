/* The interpreter of PTX finds what it is there to find: small kernels, each wrong in one way, end it with a message
 * that says so; one that is right does not, and leaves what it should. */
#include "ptx/ptx.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64, SHARED = 256, VALUES = THREADS };

typedef struct wrong {
    const char *body, *says;
} wrong;

/* %rd2: VALUES numbers of 4 bytes; %r1: the thread; %rd3: its number there; %p1: of the first warp's first half. */
static const char *const FRAME = ".version 9.0\n.target sm_90\n.address_size 64\n"
                                 ".extern .shared .align 128 .b8 memory[];\n"
                                 ".entry kernel(\n.param .u64 kernel_param_0\n)\n{\n"
                                 ".reg .pred %%p<4>;\n.reg .b32 %%r<8>;\n.reg .b64 %%rd<8>;\n"
                                 "ld.param.u64 %%rd1, [kernel_param_0];\n"
                                 "cvta.to.global.u64 %%rd2, %%rd1;\n"
                                 "mov.u32 %%r1, %%tid.x;\n"
                                 "mul.wide.u32 %%rd4, %%r1, 4;\n"
                                 "add.s64 %%rd3, %%rd2, %%rd4;\n"
                                 "setp.lt.u32 %%p1, %%r1, 16;\n"
                                 "%s\nret;\n}\n";

static const wrong WRONG[] = {
    {"st.global.u32 [%rd3+4], %r1;", "of an allocation of 256 bytes"},
    {"ld.global.u32 %r2, [%rd3+-4];", "of an allocation of"},
    {"ld.global.v4.u32 {%r2, %r3, %r4, %r5}, [%rd2+4];", "not aligned"},
    {"ld.shared.u32 %r2, [memory+256];", "at 256 of 256 bytes of shared memory"},
    {"ld.param.u64 %rd5, [kernel_param_0+8];", "of 8 bytes of parameters"},
    {"@%p1 bra $L_END;\nshfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, -1;\n$L_END:", "no thread gets on"},
    {"@%p1 ret;\nshfl.sync.bfly.b32 %r2|%p2, %r1, 1, 31, -1;", "have left"},
    {"@%p1 bra $L_ONE;\nbar.sync 0;\nbra.uni $L_END;\n$L_ONE:\nbar.warp.sync -1;\n$L_END:", "no thread gets on"},
    {"$L_LOOP:\nld.relaxed.gpu.global.s32 %r2, [%rd2];\nsetp.ne.s32 %p2, %r2, 7;\n@%p2 bra $L_LOOP;",
     "no thread gets on"},
    {"popc.b32 %r2, %r1;", "not known here: popc.b32"},
    {"add.s32 %rd5, %r1, 1;", "of another width"},
    {"bra $L_NOWHERE;", "no label"},
};

/* Lanes go apart and meet; warps show each other what they have in shared memory: memory[t] = 63 - t, halved by some.
 */
static const char *const RIGHT = "mov.u32 %r3, memory;\nshl.b32 %r2, %r1, 2;\nadd.s32 %r3, %r3, %r2;\n"
                                 "@%p1 bra $L_HALF;\nmov.u32 %r4, %r1;\nbra.uni $L_MEET;\n"
                                 "$L_HALF:\nshr.u32 %r4, %r1, 1;\n$L_MEET:\n"
                                 "st.shared.u32 [%r3], %r4;\nbar.sync 0;\n"
                                 "mov.u32 %r5, memory;\nsub.s32 %r5, %r5, %r2;\nld.shared.u32 %r6, [%r5+252];\n"
                                 "shfl.sync.bfly.b32 %r7|%p2, %r6, 1, 31, -1;\nst.global.u32 [%rd3], %r7;";

static void run(const char *body, uint32_t *values) {
    char text[4096];
    snprintf(text, sizeof text, FRAME, body);
    ptx_launch launch = {
        ptx_function_of(ptx_module_open(text), "kernel", 6), 1, THREADS, 1, SHARED, false, (char *)&values};
    ptx_launch_run(&launch);
}

static bool says(const wrong *w) {
    int ends[2], status;
    char heard[1024] = "";
    if (pipe(ends) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        run(w->body, ptx_allocate(VALUES * sizeof(uint32_t)));
        _exit(0);
    }
    close(ends[1]);
    for (size_t length = 0; length < sizeof heard - 1;) {
        const ssize_t got = read(ends[0], heard + length, sizeof heard - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    close(ends[0]);
    const bool ended = waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    const bool found = ended && strstr(heard, w->says) != NULL;
    printf("%s: %s\n", found ? "found" : "NOT FOUND", found ? w->says : w->body);
    return found;
}

static bool is_right(void) {
    uint32_t *values = ptx_allocate(VALUES * sizeof *values);
    run(RIGHT, values);
    for (uint32_t t = 0; t < VALUES; t++) {
        const uint32_t from = 63 - (t ^ 1), want = from < 16 ? from / 2 : from;
        if (values[t] != want) {
            printf("expected %u of thread %u, found %u\n", want, t, values[t]);
            return false;
        }
    }
    return ptx_free(values);
}

int main(void) {
    bool good = is_right();
    fflush(stdout);
    for (size_t k = 0; k < sizeof WRONG / sizeof *WRONG; k++) {
        good = says(&WRONG[k]) && good;
        fflush(stdout);
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

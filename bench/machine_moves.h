/* Included once for each width of vectors, by machine_kernels.c, with ISA, TARGET (an attribute) and WIDTH (bytes).
 * Four vectors a turn; 64-byte lines hold one, two or four of them. */
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

TARGET static uint64_t JOIN(read_, ISA)(const void *from, int64_t lines) {
    typedef uint64_t vector __attribute__((vector_size(WIDTH)));
    const vector *x = from;
    vector a = {0}, b = {0}, c = {0}, d = {0};
    for (int64_t i = 0; i + 4 <= lines * (64 / WIDTH); i += 4)
        a ^= x[i], b ^= x[i + 1], c ^= x[i + 2], d ^= x[i + 3];
    a ^= b ^ c ^ d;
    return a[0] ^ a[WIDTH / 8 - 1];
}

TARGET static uint64_t JOIN(copy_, ISA)(const void *from, void *to, int64_t lines) {
    typedef uint64_t vector __attribute__((vector_size(WIDTH)));
    const vector *x = from;
    vector *y = to;
    for (int64_t i = 0; i + 4 <= lines * (64 / WIDTH); i += 4) {
        vector a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
        y[i] = a, y[i + 1] = b, y[i + 2] = c, y[i + 3] = d;
        BARRIER();
    }
    return 0;
}

TARGET static uint64_t JOIN(fill_, ISA)(void *to, int64_t lines) {
    typedef uint64_t vector __attribute__((vector_size(WIDTH)));
    vector *y = to, value = {1};
    for (int64_t i = 0; i + 4 <= lines * (64 / WIDTH); i += 4) {
        y[i] = value, y[i + 1] = value, y[i + 2] = value, y[i + 3] = value;
        BARRIER();
    }
    return 0;
}

#undef JOIN
#undef JOIN_
#undef ISA
#undef TARGET
#undef WIDTH

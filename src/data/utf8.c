#include "data/utf8.h"

/* Table 3-7 of the Unicode standard: what the second byte may be depends on the first; later ones are 80..BF. */
int32_t mhc__utf8_decode(const unsigned char *text, size_t size, int *length) {
    unsigned first = text[0];
    *length = 1;
    if (first < 0x80)
        return (int32_t)first;
    if (first < 0xC2 || first > 0xF4)
        return -1;
    int count = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    int32_t code = (int32_t)(first & (0x7Fu >> count));
    for (int i = 1; i < count; i++) {
        if ((size_t)i >= size || text[i] < low || text[i] > high) {
            *length = i;
            return -1;
        }
        code = code << 6 | (text[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *length = count;
    return code;
}

int mhc__utf8_encode(int32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    int count = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = count - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)((0xF00 >> count & 0xFF) | c);
    return count;
}

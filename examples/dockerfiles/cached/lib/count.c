#include "count.h"

int count(int argc, char **argv) {
    int words = 0;
    for (int one = 1; one < argc; one++)
        words += argv[one][0] != 0;
    return words;
}

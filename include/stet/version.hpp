// The version of the library; CMakeLists.txt reads it from here.
#pragma once

#define STET_VERSION_MAJOR 0
#define STET_VERSION_MINOR 2
#define STET_VERSION_PATCH 0

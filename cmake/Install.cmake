# Installs the headers, the target stet::stet and a package configuration that finds the library's own dependencies.
include(CMakePackageConfigHelpers)

set(STET_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/stet)
install(DIRECTORY include/stet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS stet EXPORT stetTargets)
set(architecture ARCH_INDEPENDENT)  # headers only: one installation serves every architecture
if(STET_INSTALL_COMPILED)
  set_target_properties(stet_compiled PROPERTIES EXCLUDE_FROM_ALL OFF)
  install(TARGETS stet_compiled EXPORT stetTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set(architecture)
endif()
install(EXPORT stetTargets NAMESPACE stet:: DESTINATION ${STET_CMAKE_DIR})
configure_package_config_file(cmake/stetConfig.cmake.in ${PROJECT_BINARY_DIR}/stetConfig.cmake
  INSTALL_DESTINATION ${STET_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/stetConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ${architecture})
install(FILES cmake/stetImages.cmake cmake/stetMpi.cmake ${PROJECT_BINARY_DIR}/stetConfig.cmake ${PROJECT_BINARY_DIR}/stetConfigVersion.cmake
  DESTINATION ${STET_CMAKE_DIR})

# For pkg-config: where the headers are, and what this configuration links; -std=c++20 is the caller's. The place of its own file says
# where the installation is, so that it can be moved.
set(STET_PC_DIR ${CMAKE_INSTALL_DATADIR}/pkgconfig)
file(RELATIVE_PATH STET_PC_PREFIX /prefix/${STET_PC_DIR} /prefix)
string(REGEX REPLACE "/$" "" STET_PC_PREFIX "${STET_PC_PREFIX}")
set(STET_PC_ZLIB)
set(STET_PC_HAS_ZLIB 0)
if(STET_WITH_ZLIB)
  set(STET_PC_ZLIB " zlib")
  set(STET_PC_HAS_ZLIB 1)
endif()
set(STET_PC_OPENMP)
if(STET_WITH_OPENMP)
  set(STET_PC_OPENMP " ${OpenMP_CXX_FLAGS}")
endif()
configure_file(cmake/stet.pc.in ${PROJECT_BINARY_DIR}/stet.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/stet.pc DESTINATION ${STET_PC_DIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/stet)

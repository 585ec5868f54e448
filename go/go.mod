module github.com/libcrutils/libcrutils/go

go 1.19

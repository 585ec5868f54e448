module example.com/crutils

go 1.19
